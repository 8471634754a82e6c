/* Visitors: plain connections for measurements that need many of them and know themselves what to say. They are not
 * made anew when they are lost; that spoils the measurement. */
#ifndef HEYA_TESTS_CHAOS_CROWD_H
#define HEYA_TESTS_CHAOS_CROWD_H

#include "tests/chaos/stage.h"

struct crowd;

struct visitor {
  struct crowd *crowd;
  struct ws *ws; /* NULL when it is lost */
  unsigned index;
  char name[16]; /* the player id: "p" and the index */
  bool welcome;
};

struct crowd {
  struct stage *stage;
  struct visitor *visitors; /* owned */
  unsigned n, lost;
  /* Told of everything but Welcome. */
  void (*heard)(struct visitor *, const Heya__V1__ServerMessage *);
  void *arg;
};

/* Connects so many, on the stage's gateways in turn, and waits until all are welcome. */
bool crowd_enter(struct crowd *crowd, struct stage *stage, unsigned n);
/* Also one that never entered. */
void crowd_leave(struct crowd *crowd);

/* Messages; answers carry the request. */
void visitor_join(struct visitor *visitor, uint32_t request, const char *room, bool create, struct bytes options);
void visitor_leave(struct visitor *visitor, uint32_t request, const char *room);
void visitor_command(struct visitor *visitor, uint32_t request, const char *room, uint32_t number,
                     struct bytes payload);

#endif
