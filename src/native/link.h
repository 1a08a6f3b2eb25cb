// The link of a hardware port, which takes seconds to come up after the port is started.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "figures.h"

namespace bypass {

struct Link {
  bool up = false;
  uint32_t speed = 0;  // Mbit/s; 0 where the driver does not know
};

// Returns as soon as the link is up, after ten seconds without one, or when the stop word is set.
Link wait_for_link(uint16_t port, const Cell& stop);

// Looks at the link ten times a second while the poll loop runs, on another CPU where there is one.
// Not by the link interrupt: not every device has one, and a driver that is told to use it reports
// nothing but what it last said.
class LinkWatch {
 public:
  ~LinkWatch() { finish(); }
  // For a port whose link is up.
  void start(uint16_t port, const std::vector<int>& cpus);
  // Times the link was lost since.
  uint64_t finish();

 private:
  std::atomic<bool> ended_{false};
  uint64_t losses_ = 0;
  std::thread thread_;
};

}  // namespace bypass
