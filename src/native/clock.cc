#include "clock.h"

#include <rte_cycles.h>
#include <time.h>

#include <algorithm>
#include <array>

namespace bypass {

ClockPair read_clock_pair() {
  ClockPair best{};
  uint64_t narrowest = UINT64_MAX;
  for (int i = 0; i < 50; ++i) {
    timespec raw;
    const uint64_t before = rte_rdtsc_precise();
    clock_gettime(CLOCK_MONOTONIC_RAW, &raw);
    const uint64_t after = rte_rdtsc_precise();
    if (after - before < narrowest) {
      narrowest = after - before;
      best = {before + (after - before) / 2,
              static_cast<uint64_t>(raw.tv_sec) * 1000000000u + static_cast<uint64_t>(raw.tv_nsec)};
    }
  }
  return best;
}

double tsc_hz(const ClockPair& from, const ClockPair& to) {
  return static_cast<double>(to.tsc - from.tsc) * 1e9 /
         static_cast<double>(to.raw_ns - from.raw_ns);
}

uint64_t tsc_step() {
  std::array<uint64_t, 10001> differences;
  for (uint64_t& difference : differences) {
    const uint64_t first = rte_rdtsc();
    difference = rte_rdtsc() - first;
  }
  auto* const middle = differences.begin() + differences.size() / 2;
  std::nth_element(differences.begin(), middle, differences.end());
  return *middle;
}

}  // namespace bypass
