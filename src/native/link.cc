#include "link.h"

#include <rte_ethdev.h>
#include <unistd.h>

#include "cpus.h"

namespace bypass {
namespace {

constexpr unsigned kLookEveryUs = 100000;
constexpr unsigned kLooks = 100;

// rte_eth_link_get() would itself wait up to nine seconds, deaf to the stop word.
Link read_link(uint16_t port) {
  rte_eth_link link{};
  Link result;
  if (rte_eth_link_get_nowait(port, &link) != 0) return result;
  result.up = link.link_status == RTE_ETH_LINK_UP;
  if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN) result.speed = link.link_speed;
  return result;
}

}  // namespace

Link wait_for_link(uint16_t port, const Cell& stop) {
  Link link = read_link(port);
  for (unsigned look = 0; look < kLooks && !link.up && get(stop) == 0; ++look) {
    usleep(kLookEveryUs);
    link = read_link(port);
  }
  return link;
}

void LinkWatch::start(uint16_t port, const std::vector<int>& cpus) {
  thread_ = std::thread([this, port, &cpus] {
    pin_to(cpus);
    bool was_up = true;
    while (!ended_) {
      const bool up = read_link(port).up;
      if (was_up && !up) ++losses_;
      was_up = up;
      usleep(kLookEveryUs);
    }
  });
}

uint64_t LinkWatch::finish() {
  ended_ = true;
  if (thread_.joinable()) thread_.join();
  return losses_;
}

}  // namespace bypass
