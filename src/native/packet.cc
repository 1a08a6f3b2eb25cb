#include "packet.h"

#include <cstring>

#include "packet_fast.h"

namespace bypass {
namespace {

using namespace wire;

inline Handled ignored(Verdict verdict) { return {verdict, 0}; }

inline uint16_t fold_wide(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  return fold(static_cast<uint32_t>((sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32)));
}

Handled handle_arp(const Responder& responder, uint8_t* frame, size_t length, size_t at) {
  if (length < at + kArpSize) return ignored(Verdict::kTruncated);
  uint8_t* const arp = frame + at;

  const uint64_t kind = load64(arp);
  const uint64_t sender_mac = load64(arp + 8) & kMacMask;
  const uint32_t sender = load32(arp + 14);
  const uint32_t target = load32(arp + 24);

  if ((kind & kArpKindMask) != kArpKind) return ignored(Verdict::kBadArp);
  if (sender == responder.address && sender_mac != responder.mac) {
    return ignored(Verdict::kArpConflict);
  }
  if (kind != kArpRequest) return ignored(Verdict::kArpNotRequest);
  if (target != responder.address) return ignored(Verdict::kArpOtherAddress);
  // Our own question come back, or a sender that no frame can be sent to.
  if (sender_mac == responder.mac) return ignored(Verdict::kBadSource);
  if (is_unusable_mac(sender_mac)) return ignored(Verdict::kBadArp);
  // 0.0.0.0 is an ARP probe and must be answered like any request, RFC 5227 2.1.1.
  if (sender != 0 && is_impossible_source(sender)) return ignored(Verdict::kBadArp);

  write_arp_reply(responder, frame, arp);
  return {Verdict::kAnsweredArp, reply_length(at + kArpSize, length)};
}

Handled handle_ipv4(const Responder& responder, uint8_t* frame, size_t length, size_t at,
                    uint64_t destination_mac, uint64_t source_mac) {
  if (length < at + kIpSize) return ignored(Verdict::kTruncated);
  uint8_t* const ip = frame + at;

  const uint32_t version_and_length = ip[0];
  const size_t header = (version_and_length & 0x0f) * 4;
  const size_t total = __builtin_bswap16(load16(ip + 2));
  if (version_and_length >> 4 != 4 || header < kIpSize || total < header) {
    return ignored(Verdict::kBadIpHeader);
  }
  if (total > length - at) return ignored(Verdict::kTruncated);

  uint64_t sum = sum_header(ip);
  if (header != kIpSize) sum = add_wrapping(sum, sum_octets(ip + kIpSize, header - kIpSize));
  if (!is_minus_zero(sum)) return ignored(Verdict::kBadIpChecksum);

  const uint32_t source = load32(ip + 12);
  const uint32_t destination = load32(ip + 16);
  if (destination != responder.address) return ignored(Verdict::kIpOtherAddress);
  // A group MAC around our unicast address: RFC 1122 3.3.6 forbids to answer.
  if (destination_mac != responder.mac) return ignored(Verdict::kNotForUs);
  if (is_impossible_source(source) || source == destination || is_unusable_mac(source_mac) ||
      source_mac == responder.mac) {
    return ignored(Verdict::kBadSource);
  }
  if ((load16(ip + 6) & 0xff3f) != 0) return ignored(Verdict::kFragment);  // MF or an offset
  if (ip[9] != 1) return ignored(Verdict::kOtherProtocol);

  uint8_t* const icmp = ip + header;
  const size_t icmp_length = total - header;
  if (icmp_length < kIcmpSize) return ignored(Verdict::kTruncated);
  if (load16(icmp) != kEchoRequest) return ignored(Verdict::kOtherIcmp);
  if (!is_minus_zero(sum_octets(icmp, icmp_length))) return ignored(Verdict::kBadIcmpChecksum);

  if (header == kIpSize) {
    write_echo_reply(ip, icmp);
    write_ether_addresses(responder, frame, source_mac);
    return {Verdict::kAnsweredIcmp, reply_length(at + total, length)};
  }
  // Replies carry no options: a source route is not honoured, a recorded route not continued.
  std::memmove(ip + kIpSize, icmp, icmp_length);
  const size_t new_total = kIpSize + icmp_length;
  ip[0] = 0x45;
  store16(ip + 2, __builtin_bswap16(static_cast<uint16_t>(new_total)));
  store16(ip + 10, 0);
  store16(ip + 10, static_cast<uint16_t>(~fold_wide(sum_header(ip))));
  write_echo_reply(ip, ip + kIpSize);
  write_ether_addresses(responder, frame, source_mac);
  return {Verdict::kAnsweredIcmp, reply_length(at + new_total, length)};
}

}  // namespace

const char* verdict_name(size_t verdict) {
  static const char* const kNames[] = {
#define BYPASS_NAME(id, name) name,
      BYPASS_VERDICTS(BYPASS_NAME)
#undef BYPASS_NAME
  };
  return verdict < kVerdicts ? kNames[verdict] : "";
}

Responder Responder::make(const uint8_t mac[6], const uint8_t* address_or_null) {
  Responder responder;
  std::memcpy(&responder.mac, mac, 6);
  responder.mac_head = responder.mac << 48;
  responder.mac_tail = static_cast<uint32_t>(responder.mac >> 16);
  if (address_or_null != nullptr) responder.address = load32(address_or_null);
  return responder;
}

Handled handle_frame(const Responder& responder, uint8_t* frame, size_t length) {
  if (length < kEtherSize) return ignored(Verdict::kTruncated);
  const uint64_t destination = load64(frame) & kMacMask;
  const uint64_t source_and_type = load64(frame + 6);
  uint16_t type = static_cast<uint16_t>(source_and_type >> 48);
  size_t at = kEtherSize;

  if (destination != responder.mac && destination != kMacMask) return ignored(Verdict::kNotForUs);

  if (__builtin_expect(type != kTypeIpv4 && type != kTypeArp, 0)) {
    for (int tags = 0; tags < 2 && (type == kTypeVlan || type == kTypeServiceVlan); ++tags) {
      if (length < at + kTagSize) return ignored(Verdict::kTruncated);
      type = load16(frame + at + 2);
      at += kTagSize;
    }
  }
  if (type == kTypeArp) return handle_arp(responder, frame, length, at);
  if (type == kTypeIpv4) {
    return handle_ipv4(responder, frame, length, at, destination, source_and_type & kMacMask);
  }
  return ignored(Verdict::kOtherEthertype);
}

}  // namespace bypass
