// The poll loop: receive, answer, send, and measure every moment in which it did not look at the
// queue.
//
// Time is cut into *gaps* and *batches*, with nothing left over. A gap runs from one TSC reading to
// the next over `stride` empty polls, or up to the poll that brought packets; a batch runs from
// there until the replies are sent. So a stall while packets are handled is not hidden (it
// lengthens a batch, which has its own histogram and maximum), and honest work is not mistaken for
// a stall.
#pragma once

#include <cstdint>

#include "figures.h"
#include "packet.h"

struct rte_mbuf;

namespace bypass {

// Polls between two looks at the deadline and the stop word are kWindows * stride.
constexpr unsigned kWindows = 1024;
// The last gap of each such block also goes to the sample, which is how gaps below the threshold
// get percentiles.
constexpr unsigned kSampleEvery = kWindows;
constexpr unsigned kBurst = 32;

// Called between two blocks, in time that counts as neither gap nor batch. The self-test generates
// and checks here.
class BlockHook {
 public:
  virtual void on_block() = 0;

 protected:
  ~BlockHook() = default;
};

struct LoopConfig {
  uint16_t port = 0;
  Responder responder;
  unsigned stride = 4;  // 1, 2, 4 or 8
  // Cycles; touching the histogram costs about 17, so not for every gap. session.cc lowers it where
  // the counter is slow.
  uint64_t threshold = 256;
  uint64_t cycles = 0;  // length of the run
  uint64_t max_blocks =
      UINT64_MAX;  // for instruction counts, which need a length that no clock decides
  BlockHook* hook = nullptr;
};

// Runs until the deadline, the stop word or max_blocks. Needs a started port. The figures must be
// zero.
void run_loop(const LoopConfig& config, Figures& figures);

}  // namespace bypass
