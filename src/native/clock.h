// The time stamp counter and what it is worth on this machine.
#pragma once

#include <cstdint>

namespace bypass {

// One reading of the TSC and of CLOCK_MONOTONIC_RAW at the same moment.
struct ClockPair {
  uint64_t tsc;
  uint64_t raw_ns;
};

// Takes the tightest of several readings, so that an interrupt in between does not spoil it.
ClockPair read_clock_pair();

// Cycles per second between two pairs. EAL's rte_get_tsc_hz() rounds (0.15 % off was seen), hence
// our own.
double tsc_hz(const ClockPair& from, const ClockPair& to);

// The usual difference between two successive reads, in cycles: the cost of a read, or the step in
// which some hypervisors and CPUs let the counter advance, whichever is larger. No gap can be known
// better than that. (The median, because the minimum is an accident of out-of-order execution and
// of the hypervisor's rounding.)
uint64_t tsc_step();

}  // namespace bypass
