// The embedded mode's peer and judge: a second network namespace whose kernel resolves the
// validator's address and pings it. What it saw decides the verdict; the poll loop's own counters
// do not.
//
// Addresses are from 198.18.0.0/15, set aside for benchmarks (RFC 2544, RFC 5735).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "error.h"

namespace bypass {

constexpr const char* kValidatorInterface = "bypass0";
constexpr const char* kPeerInterface = "bypass1";
constexpr uint8_t kPeerAddress[4] = {198, 18, 0, 1};
constexpr uint8_t kValidatorAddress[4] = {198, 18, 0, 2};
// Nobody's: the ARP requests for it must stay unanswered.
constexpr uint8_t kOtherAddress[4] = {198, 18, 0, 3};
// Nobody's either, but the peer is told that it lives at the validator's MAC, so only the IP
// address is wrong.
constexpr uint8_t kMisdirectedAddress[4] = {198, 18, 0, 4};

struct JudgeResult {
  Error error;                        // it could not do its work at all
  std::vector<std::string> problems;  // what it saw and should not have; empty when all is well
  int cpu = -1;
  uint64_t arp_resolutions =
      0;  // times the neighbour entry was removed and became REACHABLE with the right MAC
  std::string neighbour_state;  // of the validator's address, RTM_GETNEIGH
  std::string neighbour_mac;
  uint64_t echo_sent = 0;
  uint64_t echo_received = 0;  // with the right source, checksum and payload
  uint64_t echo_corrupt = 0;
  uint64_t largest_echo = 0;  // octets of ICMP payload
  uint64_t rtt_min_ns = 0;
  uint64_t rtt_median_ns = 0;
  std::string other_state;  // neighbour state of kOtherAddress
  uint64_t other_replies = 0;
  uint64_t misdirected_sent = 0;
  uint64_t misdirected_replies = 0;
};

class Judge {
 public:
  // Enters a new network namespace on a thread of its own, kept off the poll loop's CPU by `cpus`
  // (may be empty).
  void start(std::vector<int> cpus);
  // Blocks until the namespace exists, or failed to; then a descriptor of it.
  Error wait_for_namespace(int& namespace_fd);
  // The veth pair is there and the loop is about to poll: judge for this long.
  void begin(const uint8_t validator_mac[6], uint64_t duration_ns);
  // Ends it early, or before it began.
  void cancel();
  JudgeResult finish();
  ~Judge();

 private:
  void run(std::vector<int> cpus);
  void judge();
  Error configure(class Netlink& netlink);

  enum Phase : int { kStarting, kNamespaceReady, kJudging, kCancelled };
  void wait_while(Phase phase);

  std::thread thread_;
  std::atomic<int> phase_{kStarting};
  int namespace_fd_ = -1;
  uint8_t mac_[6] = {};
  uint64_t duration_ns_ = 0;
  JudgeResult result_;
};

}  // namespace bypass
