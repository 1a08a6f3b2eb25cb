#include "netlink.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace bypass {
namespace {

// Builds one message: header, fixed part, then (nested) attributes.
class Message {
 public:
  Message(uint16_t type, uint16_t flags) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    append(&header, sizeof header);
  }

  void append(const void* data, size_t length) {
    const auto* octets = static_cast<const uint8_t*>(data);
    buffer_.insert(buffer_.end(), octets, octets + length);
    buffer_.resize(NLMSG_ALIGN(buffer_.size()), 0);
  }

  void attribute(uint16_t type, const void* data, size_t length) {
    rtattr header{static_cast<uint16_t>(RTA_LENGTH(length)), type};
    append(&header, sizeof header);
    append(data, length);
  }

  void text(uint16_t type, const char* value) { attribute(type, value, std::strlen(value) + 1); }

  size_t begin(uint16_t type) {
    const size_t at = buffer_.size();
    attribute(type, nullptr, 0);
    return at;
  }

  void end(size_t at) {
    const auto length = static_cast<uint16_t>(buffer_.size() - at);
    std::memcpy(buffer_.data() + at, &length, sizeof length);
  }

  const std::vector<uint8_t>& finish(uint32_t sequence) {
    const auto length = static_cast<uint32_t>(buffer_.size());
    std::memcpy(buffer_.data() + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
    std::memcpy(buffer_.data() + offsetof(nlmsghdr, nlmsg_seq), &sequence, sizeof sequence);
    return buffer_;
  }

 private:
  std::vector<uint8_t> buffer_;
};

int index_of(const char* name) { return static_cast<int>(if_nametoindex(name)); }

ifinfomsg link_header(const char* name) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = index_of(name);
  return header;
}

ndmsg neighbour_header(const char* name) {
  ndmsg header{};
  header.ndm_family = AF_INET;
  header.ndm_ifindex = index_of(name);
  return header;
}

}  // namespace

const char* neighbour_state_name(uint16_t state) {
  switch (state) {
    case 0:
      return "none";
    case NUD_INCOMPLETE:
      return "INCOMPLETE";
    case NUD_REACHABLE:
      return "REACHABLE";
    case NUD_STALE:
      return "STALE";
    case NUD_DELAY:
      return "DELAY";
    case NUD_PROBE:
      return "PROBE";
    case NUD_FAILED:
      return "FAILED";
    case NUD_NOARP:
      return "NOARP";
    case NUD_PERMANENT:
      return "PERMANENT";
    default:
      return "unknown";
  }
}

Netlink::~Netlink() {
  if (fd_ >= 0) close(fd_);
}

Error Netlink::open() {
  fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd_ < 0) return {"NETLINK", with_errno("socket(NETLINK_ROUTE)", errno)};
  return {};
}

// Sends one request and waits for its acknowledgement; `answer` receives the payload that came
// before it.
Error Netlink::exchange(const std::vector<uint8_t>& message, std::vector<uint8_t>* answer) {
  if (send(fd_, message.data(), message.size(), 0) < 0)
    return {"NETLINK", with_errno("send", errno)};
  for (;;) {
    alignas(nlmsghdr) uint8_t buffer[16384];
    const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return {"NETLINK", with_errno("recv", errno)};
    }
    // Signed: NLMSG_NEXT takes the aligned length off, which may be more than what is left.
    int left = static_cast<int>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_seq != sequence_) continue;
      if (header->nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
        if (error->error == 0) return {};
        return {"NETLINK", std::strerror(-error->error)};
      }
      if (answer != nullptr) {
        const auto* data = static_cast<const uint8_t*>(NLMSG_DATA(header));
        answer->assign(data, data + NLMSG_PAYLOAD(header, 0));
      }
    }
  }
}

Error Netlink::create_veth(const char* name, const char* peer_name, int peer_namespace_fd) {
  Message message(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  const ifinfomsg header{};
  message.append(&header, sizeof header);
  message.text(IFLA_IFNAME, name);
  const size_t info = message.begin(IFLA_LINKINFO);
  message.text(IFLA_INFO_KIND, "veth");
  const size_t data = message.begin(IFLA_INFO_DATA);
  const size_t peer = message.begin(VETH_INFO_PEER);
  message.append(&header, sizeof header);
  message.text(IFLA_IFNAME, peer_name);
  message.attribute(IFLA_NET_NS_FD, &peer_namespace_fd, sizeof peer_namespace_fd);
  message.end(peer);
  message.end(data);
  message.end(info);
  return exchange(message.finish(++sequence_), nullptr);
}

Error Netlink::disable_ipv6_autoconfiguration(const char* name) {
  Message message(RTM_SETLINK, NLM_F_ACK);
  const ifinfomsg header = link_header(name);
  message.append(&header, sizeof header);
  const size_t families = message.begin(IFLA_AF_SPEC);
  const size_t family = message.begin(AF_INET6);
  const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
  message.attribute(IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof mode);
  message.end(family);
  message.end(families);
  return exchange(message.finish(++sequence_), nullptr);
}

Error Netlink::set_up(const char* name) {
  Message message(RTM_NEWLINK, NLM_F_ACK);
  ifinfomsg header = link_header(name);
  header.ifi_flags = IFF_UP;
  header.ifi_change = IFF_UP;
  message.append(&header, sizeof header);
  return exchange(message.finish(++sequence_), nullptr);
}

Error Netlink::add_address(const char* name, uint32_t address, uint8_t prefix_length) {
  Message message(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = prefix_length;
  header.ifa_index = static_cast<uint32_t>(index_of(name));
  message.append(&header, sizeof header);
  message.attribute(IFA_LOCAL, &address, sizeof address);
  message.attribute(IFA_ADDRESS, &address, sizeof address);
  return exchange(message.finish(++sequence_), nullptr);
}

Error Netlink::add_permanent_neighbour(const char* name, uint32_t address, const uint8_t mac[6]) {
  Message message(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  ndmsg header = neighbour_header(name);
  header.ndm_state = NUD_PERMANENT;
  message.append(&header, sizeof header);
  message.attribute(NDA_DST, &address, sizeof address);
  message.attribute(NDA_LLADDR, mac, 6);
  return exchange(message.finish(++sequence_), nullptr);
}

Error Netlink::delete_neighbour(const char* name, uint32_t address) {
  Message message(RTM_DELNEIGH, NLM_F_ACK);
  const ndmsg header = neighbour_header(name);
  message.append(&header, sizeof header);
  message.attribute(NDA_DST, &address, sizeof address);
  return exchange(message.finish(++sequence_), nullptr);
}

Error Netlink::get_neighbour(const char* name, uint32_t address, Neighbour& neighbour) {
  neighbour = {};
  Message message(RTM_GETNEIGH, NLM_F_ACK);
  const ndmsg header = neighbour_header(name);
  message.append(&header, sizeof header);
  message.attribute(NDA_DST, &address, sizeof address);
  std::vector<uint8_t> answer;
  const Error error = exchange(message.finish(++sequence_), &answer);
  if (answer.size() < sizeof(ndmsg)) return error;  // ENOENT: no entry is an answer too
  ndmsg found;
  std::memcpy(&found, answer.data(), sizeof found);
  neighbour.state = found.ndm_state;
  size_t at = NLMSG_ALIGN(sizeof found);
  while (at + sizeof(rtattr) <= answer.size()) {
    rtattr attribute;
    std::memcpy(&attribute, answer.data() + at, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || at + attribute.rta_len > answer.size()) break;
    if (attribute.rta_type == NDA_LLADDR && attribute.rta_len == RTA_LENGTH(6)) {
      std::memcpy(neighbour.mac, answer.data() + at + RTA_LENGTH(0), 6);
      neighbour.has_mac = true;
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
  return {};
}

Error Netlink::set_arp_retransmit_ms(const char* name, uint64_t milliseconds) {
  Message message(RTM_SETNEIGHTBL, NLM_F_ACK);
  ndtmsg header{};
  header.ndtm_family = AF_INET;
  message.append(&header, sizeof header);
  message.text(NDTA_NAME, "arp_cache");
  const size_t parameters = message.begin(NDTA_PARMS);
  const auto index = static_cast<uint32_t>(index_of(name));
  message.attribute(NDTPA_IFINDEX, &index, sizeof index);
  message.attribute(NDTPA_RETRANS_TIME, &milliseconds, sizeof milliseconds);
  message.end(parameters);
  return exchange(message.finish(++sequence_), nullptr);
}

}  // namespace bypass
