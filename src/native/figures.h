// The page of memory through which the poll loop shows its figures to the parent process.
//
// An array of 64-bit words, little-endian. src/native/figures.ts holds the same list in the same
// order; test/native/figures.test.ts compares the two through the addon's `layout()`.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "packet.h"

namespace bypass {

constexpr uint64_t kFiguresMagic = 0x3147464e50595842;  // "BXYPNFG1"
constexpr uint64_t kFiguresVersion = 2;

#define BYPASS_WORDS(X)                                                           \
  X(sequence) /* odd while the loop is writing */                                 \
  X(magic)                                                                        \
  X(version)                                                                      \
  X(stop)      /* the parent writes this one: not 0 asks the loop to end */       \
  X(go)        /* and this one: not 0 lets a loop that waits begin its window */  \
  X(state)     /* 0 nothing yet, 1 starting, 2 waiting, 3 measuring, 4 done */    \
  X(heartbeat) /* grows while the loop is alive */                                \
  X(tscHz)     /* measured against CLOCK_MONOTONIC_RAW */                         \
  X(tscStep)   /* usual difference between two successive reads, in cycles */     \
  X(stride)    /* polls per TSC read */                                           \
  X(threshold) /* gaps at or below this many cycles are counted by subtraction */ \
  X(runCycles) /* length of the measured window so far */                         \
  X(polls)                                                                        \
  X(batches)    /* polls that returned at least one packet */                     \
  X(gaps)       /* gaps measured, whatever their length */                        \
  X(gapMax)     /* longest gap above the threshold, in cycles, or 0 */            \
  X(busyMax)    /* longest time spent on one batch, in cycles */                  \
  X(busyCycles) /* time spent on batches, in all */                               \
  X(received)                                                                     \
  X(sent)      /* replies that the driver took */                                 \
  X(droppedTx) /* replies that the driver refused; freed by the loop */           \
  X(octetsReceived)

enum Word : size_t {
#define BYPASS_ENUM(name) name##Word,
  BYPASS_WORDS(BYPASS_ENUM)
#undef BYPASS_ENUM
      kWords
};

// Log-linear: exact below 32 cycles, then 32 buckets per octave (3.1 % wide) up to 2^41 cycles.
constexpr unsigned kSubBits = 5;
constexpr unsigned kTopBit = 40;
constexpr size_t kBuckets = ((kTopBit - kSubBits + 1) << kSubBits) + (size_t{1} << kSubBits);

inline size_t bucket_of(uint64_t cycles) {
  if (cycles < (uint64_t{1} << kSubBits)) return cycles;
  const unsigned top = 63 - static_cast<unsigned>(__builtin_clzll(cycles));
  const size_t bucket = ((size_t{top} - kSubBits + 1) << kSubBits) +
                        ((cycles >> (top - kSubBits)) & ((1 << kSubBits) - 1));
  return bucket < kBuckets ? bucket : kBuckets - 1;
}

constexpr size_t kVerdictSlots = 32;
static_assert(kVerdicts <= kVerdictSlots, "grow kVerdictSlots and raise kFiguresVersion");

using Cell = std::atomic<uint64_t>;

struct Figures {
  Cell word[kWords];
  Cell verdict[kVerdictSlots];
  Cell gap[kBuckets];     // every gap above the threshold
  Cell sample[kBuckets];  // one gap in kSampleEvery, of any length
  Cell busy[kBuckets];    // time per batch
};
static_assert(sizeof(Cell) == 8 && Cell::is_always_lock_free,
              "the page is read by another process");

// There is one writer, so an increment needs no locked instruction.
inline void add(Cell& cell, uint64_t value) {
  cell.store(cell.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}
inline void set(Cell& cell, uint64_t value) { cell.store(value, std::memory_order_relaxed); }
inline uint64_t get(const Cell& cell) { return cell.load(std::memory_order_relaxed); }

}  // namespace bypass
