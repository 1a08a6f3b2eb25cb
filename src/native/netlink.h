// The few rtnetlink requests that the embedded mode needs, so that no `ip` program has to be
// installed.
#pragma once

#include <net/if.h>

#include <cstdint>
#include <string>
#include <vector>

#include "error.h"

namespace bypass {

struct Neighbour {
  uint16_t state = 0;  // NUD_*, <linux/neighbour.h>; 0 when there is no entry
  uint8_t mac[6] = {};
  bool has_mac = false;
};

// "REACHABLE", "FAILED", ...; "none" for 0.
const char* neighbour_state_name(uint16_t state);

// One socket in the network namespace of the thread that opens it. Addresses are in wire order.
class Netlink {
 public:
  ~Netlink();
  Error open();

  // A veth pair with one end here and the other in the namespace of `peer_namespace_fd`.
  Error create_veth(const char* name, const char* peer_name, int peer_namespace_fd);
  // No link-local address, hence no router solicitations and no duplicate address detection.
  Error disable_ipv6_autoconfiguration(const char* name);
  Error set_up(const char* name);
  Error add_address(const char* name, uint32_t address, uint8_t prefix_length);
  Error add_permanent_neighbour(const char* name, uint32_t address, const uint8_t mac[6]);
  Error delete_neighbour(const char* name, uint32_t address);
  // RTM_GETNEIGH
  Error get_neighbour(const char* name, uint32_t address, Neighbour& neighbour);
  // Shortens the pause between ARP requests on this interface, so that a failed resolution is known
  // sooner.
  Error set_arp_retransmit_ms(const char* name, uint64_t milliseconds);

 private:
  Error exchange(const std::vector<uint8_t>& message, std::vector<uint8_t>* answer);

  int fd_ = -1;
  uint32_t sequence_ = 0;
};

}  // namespace bypass
