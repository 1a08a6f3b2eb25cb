#include "judge.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/neighbour.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "cpus.h"
#include "netlink.h"

namespace bypass {
namespace {

constexpr uint64_t kMs = 1000000;
constexpr uint64_t kReplyTimeoutNs = 500 * kMs;
// A request this young when the loop ends is nobody's fault.
constexpr uint64_t kYoungNs = 200 * kMs;
constexpr uint64_t kPauseNs = 2 * kMs;
constexpr uint64_t kResolveEveryNs = 100 * kMs;
constexpr uint64_t kArpRetransmitMs = 100;
constexpr size_t kEchoSizes[] = {0, 1, 56, 511, 1000, 1472};  // 1472: a full 1500 octet MTU
constexpr size_t kMaxEcho = 1472;

uint64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

uint32_t wire(const uint8_t address[4]) {
  uint32_t value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

std::string mac_text(const uint8_t mac[6]) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
                mac[4], mac[5]);
  return text;
}

// RFC 1071 word by word: on purpose not the code that it judges.
uint16_t internet_checksum(const uint8_t* data, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < length; i += 2)
    sum += static_cast<uint32_t>(data[i] << 8 | data[i + 1]);
  if (length % 2 != 0) sum += static_cast<uint32_t>(data[length - 1] << 8);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// A raw ICMP socket: the kernel of this namespace resolves the address, builds the IP header and
// checks the reply's.
class Pinger {
 public:
  ~Pinger() {
    if (fd_ >= 0) close(fd_);
  }

  Error open() {
    fd_ = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP);
    if (fd_ < 0) return {"JUDGE", with_errno("socket(SOCK_RAW, IPPROTO_ICMP)", errno)};
    return {};
  }

  bool send_echo(const uint8_t address[4], uint16_t sequence, size_t size) {
    uint8_t message[8 + kMaxEcho];
    fill(message, ICMP_ECHO, sequence, size);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = wire(address);
    return sendto(fd_, message, 8 + size, 0, reinterpret_cast<sockaddr*>(&to), sizeof to) >= 0;
  }

  struct Reply {
    uint32_t source = 0;
    uint16_t sequence = 0;
    bool intact = false;  // equal, octet for octet, to the reply that RFC 792 asks for
  };

  // The next echo reply, or false at the deadline.
  bool receive(uint64_t deadline_ns, Reply& reply) {
    for (;;) {
      uint8_t packet[2048];
      const ssize_t got = recv(fd_, packet, sizeof packet, 0);
      if (got < 0) {
        const uint64_t now = now_ns();
        if (now >= deadline_ns) return false;
        pollfd readable{fd_, POLLIN, 0};
        // Round up: a wait of 0 ms would spin.
        ::poll(&readable, 1, static_cast<int>((deadline_ns - now) / kMs) + 1);
        continue;
      }
      const auto length = static_cast<size_t>(got);
      if (length < sizeof(iphdr)) continue;
      iphdr ip;
      std::memcpy(&ip, packet, sizeof ip);
      const size_t header = ip.ihl * 4u;
      if (length < header + 8 || packet[header] != ICMP_ECHOREPLY) continue;
      const uint8_t* const icmp = packet + header;
      const size_t icmp_length = length - header;
      reply.source = ip.saddr;
      reply.sequence = static_cast<uint16_t>(icmp[6] << 8 | icmp[7]);
      uint8_t expected[8 + kMaxEcho];
      reply.intact = icmp_length <= sizeof expected && internet_checksum(icmp, icmp_length) == 0;
      if (reply.intact) {
        fill(expected, ICMP_ECHOREPLY, reply.sequence, icmp_length - 8);
        // The checksum was verified above; 0 and 0xffff are the same there.
        std::memcpy(expected + 2, icmp + 2, 2);
        reply.intact = std::memcmp(expected, icmp, icmp_length) == 0;
      }
      return true;
    }
  }

 private:
  static void fill(uint8_t* message, uint8_t type, uint16_t sequence, size_t size) {
    std::memset(message, 0, 8);
    message[0] = type;
    message[4] = 0xb9;
    message[5] = 0x5e;
    message[6] = static_cast<uint8_t>(sequence >> 8);
    message[7] = static_cast<uint8_t>(sequence);
    for (size_t i = 0; i < size; ++i) message[8 + i] = static_cast<uint8_t>(sequence * 31 + i * 7);
    const uint16_t checksum = internet_checksum(message, 8 + size);
    message[2] = static_cast<uint8_t>(checksum >> 8);
    message[3] = static_cast<uint8_t>(checksum);
  }

  int fd_ = -1;
};

}  // namespace

void Judge::start(std::vector<int> cpus) {
  thread_ = std::thread([this, cpus = std::move(cpus)] { run(cpus); });
}

Judge::~Judge() {
  if (thread_.joinable()) {
    cancel();
    thread_.join();
  }
  if (namespace_fd_ >= 0) close(namespace_fd_);
}

void Judge::wait_while(Phase phase) {
  while (phase_.load(std::memory_order_acquire) == phase) usleep(200);
}

Error Judge::wait_for_namespace(int& namespace_fd) {
  wait_while(kStarting);
  namespace_fd = namespace_fd_;
  return result_.error;
}

void Judge::begin(const uint8_t validator_mac[6], uint64_t duration_ns) {
  std::memcpy(mac_, validator_mac, sizeof mac_);
  duration_ns_ = duration_ns;
  phase_.store(kJudging, std::memory_order_release);
}

void Judge::cancel() { phase_.store(kCancelled, std::memory_order_release); }

JudgeResult Judge::finish() {
  thread_.join();
  return result_;
}

void Judge::run(std::vector<int> cpus) {
  pin_to(cpus);
  if (unshare(CLONE_NEWNET) != 0) {
    result_.error = {"NAMESPACE", with_errno("unshare(CLONE_NEWNET)", errno)};
  } else {
    namespace_fd_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (namespace_fd_ < 0)
      result_.error = {"NAMESPACE", with_errno("/proc/thread-self/ns/net", errno)};
  }
  int starting = kStarting;
  phase_.compare_exchange_strong(starting, kNamespaceReady);
  if (result_.error) return;
  wait_while(kNamespaceReady);
  if (phase_.load(std::memory_order_acquire) == kJudging) judge();
}

Error Judge::configure(Netlink& netlink) {
  if (const Error error = netlink.open()) return error;
  // Refused where the kernel has no IPv6, and then there is nothing to silence.
  netlink.disable_ipv6_autoconfiguration(kPeerInterface);
  if (const Error error = netlink.add_address(kPeerInterface, wire(kPeerAddress), 24)) return error;
  // One second between requests by default: FAILED would take three.
  netlink.set_arp_retransmit_ms(kPeerInterface, kArpRetransmitMs);
  if (const Error error = netlink.set_up(kPeerInterface)) return error;
  return netlink.add_permanent_neighbour(kPeerInterface, wire(kMisdirectedAddress), mac_);
}

void Judge::judge() {
  const uint64_t start = now_ns();
  const uint64_t end = start + duration_ns_;
  result_.cpu = sched_getcpu();

  Netlink netlink;
  Pinger pinger;
  if ((result_.error = configure(netlink))) return;
  if ((result_.error = pinger.open())) return;

  const uint32_t validator = wire(kValidatorAddress);
  std::vector<uint64_t> round_trips;
  uint64_t sequence = 0;
  uint64_t next_resolution = 0;
  uint64_t next_misdirected = 0;
  uint64_t unresolved = 0;
  uint64_t wrong_mac = 0;
  uint64_t stray = 0;
  uint64_t other_asked = 0;
  bool other_answered = false;
  Neighbour other;

  // Every size at least once, however long that takes; then until the end.
  auto cancelled = [this] { return phase_.load(std::memory_order_acquire) == kCancelled; };
  while ((sequence < std::size(kEchoSizes) || now_ns() < end) && !cancelled()) {
    const size_t size = kEchoSizes[sequence % std::size(kEchoSizes)];
    ++sequence;
    const auto sequence_sent = static_cast<uint16_t>(sequence);
    const uint64_t sent_at = now_ns();
    const bool resolve = sent_at >= next_resolution;
    if (resolve) {
      netlink.delete_neighbour(kPeerInterface, validator);  // ENOENT the first time
      next_resolution = sent_at + kResolveEveryNs;
    }
    if (sent_at >= next_misdirected) {
      next_misdirected = sent_at + kResolveEveryNs;
      if (pinger.send_echo(kMisdirectedAddress, sequence_sent, size)) result_.misdirected_sent++;
      // The kernel asks anew whenever the last attempt has failed.
      netlink.get_neighbour(kPeerInterface, wire(kOtherAddress), other);
      other_answered = other_answered || other.has_mac;
      if (pinger.send_echo(kOtherAddress, sequence_sent, 56)) other_asked++;
    }

    if (!pinger.send_echo(kValidatorAddress, sequence_sent, size)) {
      result_.problems.push_back(with_errno("sending an echo request", errno));
      break;
    }
    result_.echo_sent++;
    Pinger::Reply reply;
    bool answered = false;
    while (!answered && pinger.receive(sent_at + kReplyTimeoutNs, reply)) {
      if (reply.source == wire(kOtherAddress)) {
        result_.other_replies++;
      } else if (reply.source == wire(kMisdirectedAddress)) {
        result_.misdirected_replies++;
      } else if (reply.source != validator || reply.sequence != sequence_sent) {
        ++stray;
      } else {
        answered = true;
      }
    }
    if (answered && reply.intact) {
      result_.echo_received++;
      if (!resolve)
        round_trips.push_back(now_ns() - sent_at);  // the others include an ARP exchange
      result_.largest_echo = std::max<uint64_t>(result_.largest_echo, size);
    } else if (answered) {
      result_.echo_corrupt++;
    } else if (cancelled() && now_ns() - sent_at < kYoungNs) {
      result_.echo_sent--;
      break;
    }

    if (resolve) {
      Neighbour neighbour;
      netlink.get_neighbour(kPeerInterface, validator, neighbour);
      result_.neighbour_state = neighbour_state_name(neighbour.state);
      result_.neighbour_mac = neighbour.has_mac ? mac_text(neighbour.mac) : "";
      if (neighbour.has_mac && std::memcmp(neighbour.mac, mac_, 6) != 0) {
        ++wrong_mac;
      } else if (neighbour.state == NUD_REACHABLE && neighbour.has_mac) {
        result_.arp_resolutions++;
      } else {
        ++unresolved;
      }
    }
    const uint64_t now = now_ns();
    if (now < end) usleep(static_cast<useconds_t>(std::min(kPauseNs, end - now) / 1000));
  }

  netlink.get_neighbour(kPeerInterface, wire(kOtherAddress), other);
  other_answered = other_answered || other.has_mac;
  result_.other_state = neighbour_state_name(other.state);
  // Late replies to the wrong addresses.
  Pinger::Reply late;
  while (pinger.receive(now_ns(), late)) {
    if (late.source == wire(kOtherAddress)) result_.other_replies++;
    if (late.source == wire(kMisdirectedAddress)) result_.misdirected_replies++;
  }

  if (!round_trips.empty()) {
    std::sort(round_trips.begin(), round_trips.end());
    result_.rtt_min_ns = round_trips.front();
    result_.rtt_median_ns = round_trips[round_trips.size() / 2];
  }

  auto problem = [this](uint64_t count, const char* what) {
    if (count != 0) result_.problems.push_back(std::to_string(count) + " " + what);
  };
  problem(result_.echo_sent - result_.echo_received - result_.echo_corrupt,
          "echo requests were not answered");
  problem(result_.echo_corrupt, "echo replies were wrong (checksum or payload)");
  problem(unresolved, "times the kernel could not resolve the validator's address by ARP");
  problem(wrong_mac, "ARP replies carried another MAC address than the validator's");
  if (sequence < std::size(kEchoSizes))
    result_.problems.push_back("the run ended before every echo size was tried");
  problem(stray, "replies came from an unexpected address or with an unexpected sequence number");
  problem(result_.other_replies, "replies came for an address that is not the validator's");
  problem(result_.misdirected_replies,
          "echo requests for another address sent to the validator's MAC were answered");
  if (other_answered) {
    result_.problems.push_back(
        "an ARP request for an address that is not the validator's was answered");
  } else if (other_asked == 0) {
    result_.problems.push_back(
        "the kernel never asked for the other address, so nothing is known about it");
  }
}

}  // namespace bypass
