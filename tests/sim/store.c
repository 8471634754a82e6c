/* Requests on their way to the model of Redis and back; see tests/sim/store.h. The calls are in store_calls.c. */
#include "tests/sim/store_request.h"

#include "tests/sim/process.h"

#define RECONNECT_MIN_US 20000

struct sim_store *sim_store_of(const struct store *base) {
  union {
    const struct store *in;
    struct sim_store *out; /* base is its first member */
  } cast = {.in = base};
  return cast.out;
}

/* ---- the answer ---- */

static void unlink_request(struct sim_link *link, struct sim_request *request) {
  struct sim_request **at = &link->first, *previous = NULL;
  while (*at != request) {
    previous = *at;
    at = &(*at)->next;
  }
  *at = request->next;
  if (link->last == request) link->last = previous;
}

static void finish(struct sim_request *request, enum store_result result) {
  struct sim_link *link = &request->store->links[request->link];
  if (request->finished) return;
  if (!request->refused) unlink_request(link, request);
  request->finished = true;
  SIM_TRACE(request->store->sim, request->store->process->name, "  %s -> %s", request->what,
            store_result_name(result));
  request->finish(request, result);
}

static void on_answer(void *arg) {
  struct sim_request *request = arg;
  finish(request, request->result);
}

static void on_refused(void *arg) {
  finish(arg, STORE_LOST);
}

static bool is_current(const struct sim_request *request) {
  return request->connection == request->store->links[request->link].connection;
}

static void answer_arrives(void *arg) {
  struct sim_request *request = arg;
  const struct sim_link *link = &request->store->links[request->link];
  if (request->finished || !is_current(request) || link->deaf || request->store->dead) return;
  process_post(request->store->process, on_answer, request);
}

void sim_request_answer(struct sim_request *request) {
  struct sim *sim = request->store->sim;
  struct sim_link *link = &request->store->links[request->link];
  if (!is_current(request) || link->deaf) return;
  uint64_t at_us = sim->now_us + sim_latency(sim);
  if (at_us < link->answer_us) at_us = link->answer_us;
  link->answer_us = at_us;
  sim_at(sim, at_us, answer_arrives, request);
}

/* ---- at Redis ---- */

static void execute(struct sim_request *request) {
  struct sim *sim = request->store->sim;
  request->executed = true;
  sim->seen[SEEN_LATE_BYTES] += !is_current(request);
  SIM_TRACE(sim, "redis", "%s of %s%s", request->what, request->store->process->name,
            is_current(request) ? "" : ", whose connection is gone");
  bool answered = request->execute(request);
  if (answered) sim_request_answer(request);
  model_serve(request->store->model);
}

static void arrives(void *arg) {
  struct sim_request *request = arg;
  struct sim *sim = request->store->sim;
  if (request->lost) return;
  if (sim->now_us < request->not_before_us) {
    sim_at(sim, request->not_before_us, arrives, request);
  } else if (sim->now_us < request->store->model->stalled_until_us) {
    sim_queue_push(sim, &request->store->model->inbox, request);
  } else {
    execute(request);
  }
}

static void redis_goes_on(void *arg) {
  struct model *model = arg;
  struct sim *sim = model->sim;
  struct sim_request *request;
  if (sim->now_us < model->stalled_until_us) return; /* it was stalled for longer */
  while (!sim->failed && (request = sim_queue_pop(&model->inbox))) execute(request);
}

static void break_now(void *arg) {
  struct sim_link *link = arg;
  sim_store_break(link->store, link->name);
}

void sim_request_send(struct sim_request *request) {
  struct sim_store *store = request->store;
  struct sim *sim = store->sim;
  struct sim_link *link = &store->links[request->link];
  if (store->dead) return;
  if (!store->was_ready) {
    request->refused = true;
    process_post(store->process, on_refused, request);
    return;
  }
  request->connection = link->connection;
  request->next = NULL;
  if (link->last) link->last->next = request;
  if (!link->last) link->first = request;
  link->last = request;
  request->lost = link->severed;
  uint64_t at_us = sim->now_us + sim_latency(sim);
  if (at_us < link->arrive_us) at_us = link->arrive_us;
  link->arrive_us = at_us;
  if (!request->lost) sim_at(sim, at_us, arrives, request);
  if (link->breaks) sim_at(sim, sim_between(sim, sim->now_us, at_us), break_now, link);
  link->breaks = false;
}

void sim_request_send_apart(struct sim_request *request) {
  struct sim *sim = request->store->sim;
  request->connection = request->store->links[request->link].connection;
  sim_at(sim, sim->now_us + sim_latency(sim), arrives, request);
}

void *sim_request_new(struct store *base, enum sim_link_name link, const char *what, size_t size) {
  struct sim_store *store = sim_store_of(base);
  struct sim_request *request = sim_alloc(store->sim, size);
  request->store = store;
  request->link = link;
  request->what = what;
  return request;
}

/* ---- up and down ---- */

static void update_ready(struct sim_store *store) {
  bool ready = store->links[LINK_COMMANDS].up && store->links[LINK_READS].up;
  if (ready == store->was_ready) return;
  store->was_ready = ready;
  SIM_TRACE(store->sim, store->process->name, "%s", ready ? "is connected to Redis" : "has lost Redis");
  if (ready) sim_store_wake_again(store);
  if (store->base.on_ready) store->base.on_ready(store->base.on_ready_arg, ready);
}

static void on_up(void *arg) {
  struct sim_link *link = arg;
  if (link->up) return;
  link->up = true;
  link->severed = link->deaf = false;
  link->connection++;
  link->arrive_us = link->answer_us = 0;
  update_ready(link->store);
}

static void connect_link(struct sim_link *link) {
  struct sim *sim = link->store->sim;
  uint64_t at_us = sim->now_us + RECONNECT_MIN_US / 2 + sim_interval(sim, RECONNECT_MIN_US);
  uint64_t stalled_until_us = link->store->model->stalled_until_us;
  if (at_us < stalled_until_us) at_us = stalled_until_us + sim_below(sim, RECONNECT_MIN_US);
  process_post_at(link->store->process, at_us, on_up, link);
}

static void on_down(void *arg) {
  struct sim_link *link = arg;
  if (!link->up) return;
  link->up = false;
  link->connection++; /* answers that come late find nobody */
  connect_link(link);
  update_ready(link->store);
  struct sim_request *request, *last = link->last;
  while (last && (request = link->first)) {
    finish(request, STORE_LOST);
    if (request == last) break;
  }
}

/* Of what is on its way to Redis a prefix arrives, perhaps late. */
static void cut_requests(struct sim_link *link) {
  struct sim *sim = link->store->sim;
  size_t waiting = 0;
  for (struct sim_request *r = link->first; r; r = r->next) waiting += !r->executed && !r->lost;
  uint64_t arriving = sim_below(sim, waiting + 1);
  uint64_t late_us = 0;
  if (sim_chance(sim, sim->plan.zombie_permille)) {
    late_us = (link->arrive_us > sim->now_us ? link->arrive_us : sim->now_us) + sim_interval(sim, 60000);
  }
  for (struct sim_request *r = link->first; r; r = r->next) {
    if (r->executed || r->lost) continue;
    r->not_before_us = late_us;
    r->lost = arriving == 0;
    if (arriving) arriving--;
  }
}

static void sever(struct sim_link *link) {
  struct sim_store *store = link->store;
  cut_requests(link);
  link->severed = true;
  link->deaf = sim_chance(store->sim, 500);
  if (link->name == LINK_READS && store->read) sim_store_hang_up(store);
}

void sim_store_break(struct sim_store *store, enum sim_link_name name) {
  struct sim_link *link = &store->links[name];
  struct sim *sim = store->sim;
  if (!link->up || link->severed || store->dead) return;
  SIM_TRACE(sim, store->process->name, "%s connection to Redis breaks", name == LINK_READS ? "reading" : "command");
  sever(link);
  uint64_t noticed_us = sim->now_us + sim_interval(sim, 1000);
  process_post_at(store->process, noticed_us, on_down, link);
  sim_disturbed(sim, noticed_us + 2 * RECONNECT_MIN_US);
}

void sim_store_break_next(struct sim_store *store, enum sim_link_name name) {
  store->links[name].breaks = true;
}

void sim_store_kill(struct sim_store *store) {
  store->dead = true;
  for (enum sim_link_name name = 0; name < LINKS; name++) sever(&store->links[name]);
}

void sim_store_stall_redis(struct model *model, uint64_t until_us) {
  if (model->stalled_until_us < until_us) model->stalled_until_us = until_us;
  sim_at(model->sim, model->stalled_until_us, redis_goes_on, model);
}

/* ---- life, time, chance ---- */

static void destroy(struct store *base) {
  sim_store_of(base)->dead = true;
}

static bool is_ready(const struct store *base) {
  return sim_store_of(base)->was_ready;
}

/* An estimate, with an error that does not change, and which never goes back. */
static uint64_t now_ms(const struct store *base, uint32_t partition) {
  (void)partition;
  struct sim_store *store = sim_store_of(base);
  uint64_t now = model_now_ms(store->model) + (uint64_t)store->process->clock_error_ms;
  if (store->floor_ms < now) store->floor_ms = now;
  return store->floor_ms;
}

static uint64_t monotonic_us(const struct store *base) {
  const struct sim_store *store = sim_store_of(base);
  return store->process->clock_zero_us + store->sim->now_us;
}

static void fill_random(struct store *base, void *out, size_t n) {
  unsigned char *at = out;
  for (size_t i = 0; i < n; i++) at[i] = (unsigned char)sim_below(sim_store_of(base)->sim, 256);
}

struct store *sim_store_create(struct sim_process *process, struct model *model) {
  static const struct store_ops ops = {
      .destroy = destroy,
      .ready = is_ready,
      .now_ms = now_ms,
      .monotonic_us = monotonic_us,
      .random = fill_random,
      .init = sim_store_init,
      .renew = sim_store_renew,
      .retire = sim_store_retire,
      .suspect = sim_store_suspect,
      .claim = sim_store_claim,
      .blame = sim_store_blame,
      .release = sim_store_release,
      .load = sim_store_load,
      .read = sim_store_read,
      .read_wake = sim_store_read_wake,
      .commit = sim_store_commit,
      .outbox = sim_store_outbox,
      .forward = sim_store_forward,
      .gateway_open = sim_store_gateway_open,
      .gateway_renew = sim_store_gateway_renew,
      .gateway_close = sim_store_gateway_close,
      .gateway_suspect = sim_store_gateway_suspect,
      .append = sim_store_append,
      .deliveries = sim_store_deliveries,
      .list = sim_store_list,
  };
  struct sim_store *store = sim_alloc(process->sim, sizeof *store);
  store->base.ops = &ops;
  store->sim = process->sim;
  store->process = process;
  store->model = model;
  for (enum sim_link_name name = 0; name < LINKS; name++) {
    store->links[name] = (struct sim_link){.store = store, .name = name};
    connect_link(&store->links[name]);
  }
  return &store->base;
}
