/* The bump allocator of proto/arena.h: a chain of blocks, each twice its predecessor. */
#include "proto/arena.h"

#include "common/mem.h"

#include <stdint.h>

struct arena_block {
  struct arena_block *previous;
  size_t size; /* of data */
  size_t used;
  max_align_t data[];
};

#define ALIGNMENT _Alignof(max_align_t)

static struct arena_block *block_create(size_t size, struct arena_block *previous) {
  struct arena_block *block = xmalloc(sizeof *block + size);
  block->previous = previous;
  block->size = size;
  block->used = 0;
  return block;
}

static void *allocate(void *arena, size_t size) {
  return arena_alloc(arena, size);
}

/* protobuf-c frees what it allocated while failing; the memory goes with the next reset. */
static void release(void *arena, void *memory) {
  (void)arena;
  (void)memory;
}

void arena_init(struct arena *arena, size_t first_bytes, size_t limit_bytes) {
  struct arena_block *first = block_create(first_bytes, NULL);
  *arena = (struct arena){
      .allocator = {.alloc = allocate, .free = release, .allocator_data = arena},
      .first = first,
      .block = first,
      .limit = limit_bytes,
  };
}

void arena_reset(struct arena *arena) {
  while (arena->block != arena->first) {
    struct arena_block *previous = arena->block->previous;
    free(arena->block);
    arena->block = previous;
  }
  if (arena->first) arena->first->used = 0;
  arena->used = 0;
  arena->refused = false;
}

void arena_close(struct arena *arena) {
  arena_reset(arena);
  free(arena->first);
  arena->first = arena->block = NULL;
  arena->limit = 0;
}

void *arena_alloc(struct arena *arena, size_t size) {
  if (size == 0) size = 1;
  size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (size > SIZE_MAX / 4 || arena->used > arena->limit || rounded > arena->limit - arena->used) {
    arena->refused = true;
    return NULL;
  }
  size = rounded;
  struct arena_block *block = arena->block;
  if (size > block->size - block->used) {
    size_t grown = block->size < SIZE_MAX / 4 ? block->size * 2 : block->size;
    block = arena->block = block_create(grown > size ? grown : size, block);
  }
  void *memory = (char *)block->data + block->used;
  block->used += size;
  arena->used += size;
  return memory;
}

void *arena_take(struct arena *arena, size_t size) {
  void *memory = arena_alloc(arena, size);
  if (!memory) mem_exhausted(size);
  return memory;
}

void *arena_copy(struct arena *arena, struct bytes bytes) {
  char *copy = arena_alloc(arena, bytes.len + 1); /* a view's length is far from wrapping */
  if (!copy) return NULL;
  if (bytes.len) memcpy(copy, bytes.data, bytes.len);
  copy[bytes.len] = '\0';
  return copy;
}
