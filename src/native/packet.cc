#include "packet.h"

#include <cstring>

namespace bypass {
namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wide loads below assume little-endian");

// Wire values as a little-endian load sees them.
constexpr uint64_t kMacMask = 0x0000ffffffffffff;
constexpr uint64_t kMacGroupBit = 0x01;  // IEEE 802-2014 8.2.2: the first bit sent is the I/G bit
constexpr uint16_t kTypeIpv4 = 0x0008;
constexpr uint16_t kTypeArp = 0x0608;
constexpr uint16_t kTypeVlan = 0x0081;      // 802.1Q C-tag
constexpr uint16_t kTypeServiceVlan = 0xa888;  // 802.1ad S-tag

constexpr size_t kEtherSize = 14;
constexpr size_t kTagSize = 4;
constexpr size_t kMinFrame = 60;  // ETH_ZLEN: without the FCS
constexpr size_t kArpSize = 28;
constexpr size_t kIpSize = 20;
constexpr size_t kIcmpSize = 8;
constexpr uint32_t kReplyTtl = 64;  // IANA's recommended default, RFC 1700

// RFC 826: hardware Ethernet, protocol IPv4, lengths 6 and 4, and the operation in the two top octets.
constexpr uint64_t kArpKindMask = 0x0000ffffffffffff;
constexpr uint64_t kArpKind = 0x0000040600080100;
constexpr uint64_t kArpRequest = 0x0100040600080100;
constexpr uint64_t kArpReply = 0x0200040600080100;

inline uint16_t load16(const uint8_t* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline uint32_t load32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline uint64_t load64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
inline void store16(uint8_t* at, uint16_t value) { std::memcpy(at, &value, sizeof value); }
inline void store32(uint8_t* at, uint32_t value) { std::memcpy(at, &value, sizeof value); }
inline void store64(uint8_t* at, uint64_t value) { std::memcpy(at, &value, sizeof value); }

inline Handled ignored(Verdict verdict) { return {verdict, 0}; }

// One's-complement addition of 64-bit words. 2^16-1 divides 2^64-1, so this sum is congruent to the 16-bit sum of
// RFC 1071 and is only reduced once, at the end.
inline uint64_t add_wrapping(uint64_t sum, uint64_t word) {
  sum += word;
  return sum + (sum < word);
}

inline uint64_t sum_octets(const uint8_t* at, size_t length) {
  uint64_t sum = 0;
  const uint8_t* const end = at + (length & ~size_t{7});
  while (at + 32 <= end) {
    sum = add_wrapping(sum, load64(at));
    sum = add_wrapping(sum, load64(at + 8));
    sum = add_wrapping(sum, load64(at + 16));
    sum = add_wrapping(sum, load64(at + 24));
    at += 32;
  }
  for (; at < end; at += 8) sum = add_wrapping(sum, load64(at));
  if (length & 4) {
    sum = add_wrapping(sum, load32(at));
    at += 4;
  }
  if (length & 2) {
    sum = add_wrapping(sum, load16(at));
    at += 2;
  }
  if (length & 1) sum = add_wrapping(sum, *at);
  return sum;
}

// RFC 1071: data that carries a right checksum sums to minus zero. No caller can pass all zeros.
inline bool is_minus_zero(uint64_t sum) { return sum % 0xffff == 0; }

inline uint16_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum + (sum >> 16));
}

// Addresses nobody can own (RFC 1122 3.2.1.3): a group, the limited broadcast, class E, "this network".
inline bool is_impossible_source(uint32_t wire) {
  const uint8_t first = static_cast<uint8_t>(wire);
  return first >= 224 || first == 0 || first == 127;
}

inline void write_ether_addresses(uint8_t* frame, uint64_t destination, uint64_t source) {
  store64(frame, destination | source << 48);
  store32(frame + 8, static_cast<uint32_t>(source >> 16));
}

// A sender may pad a short frame up to ETH_ZLEN; the reply keeps that much and drops anything beyond its own end.
inline uint32_t reply_length(size_t needed, size_t received) {
  const size_t kept = received < kMinFrame ? received : kMinFrame;
  return static_cast<uint32_t>(needed < kept ? kept : needed);
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
  if ((sender_mac & kMacGroupBit) != 0 || sender_mac == 0) return ignored(Verdict::kBadArp);
  // 0.0.0.0 is an ARP probe and must be answered like any request, RFC 5227 2.1.1.
  if (sender != 0 && is_impossible_source(sender)) return ignored(Verdict::kBadArp);

  // RFC 826, "packet reception": swap the pairs, put ours in, answer to the hardware address of the *body*.
  store64(arp, kArpReply);
  store64(arp + 8, responder.mac | static_cast<uint64_t>(target) << 48);
  store16(arp + 16, static_cast<uint16_t>(target >> 16));
  store64(arp + 18, sender_mac | static_cast<uint64_t>(sender) << 48);
  store16(arp + 26, static_cast<uint16_t>(sender >> 16));
  write_ether_addresses(frame, sender_mac, responder.mac);
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

  uint64_t sum = add_wrapping(load64(ip), load64(ip + 8));
  sum = add_wrapping(sum, load32(ip + 16));
  if (header != kIpSize) sum = add_wrapping(sum, sum_octets(ip + kIpSize, header - kIpSize));
  if (!is_minus_zero(sum)) return ignored(Verdict::kBadIpChecksum);

  const uint32_t source = load32(ip + 12);
  const uint32_t destination = load32(ip + 16);
  if (destination != responder.address) return ignored(Verdict::kIpOtherAddress);
  // A group MAC around our unicast address: RFC 1122 3.3.6 forbids to answer.
  if (destination_mac != responder.mac) return ignored(Verdict::kNotForUs);
  if (is_impossible_source(source) || source == destination ||
      (source_mac & kMacGroupBit) != 0 || source_mac == responder.mac || source_mac == 0) {
    return ignored(Verdict::kBadSource);
  }
  if ((load16(ip + 6) & 0xff3f) != 0) return ignored(Verdict::kFragment);  // MF or an offset
  if (ip[9] != 1) return ignored(Verdict::kOtherProtocol);

  uint8_t* icmp = ip + header;
  const size_t icmp_length = total - header;
  if (icmp_length < kIcmpSize) return ignored(Verdict::kTruncated);
  if (load16(icmp) != 0x0008) return ignored(Verdict::kOtherIcmp);  // echo request, code 0
  if (!is_minus_zero(sum_octets(icmp, icmp_length))) return ignored(Verdict::kBadIcmpChecksum);

  // RFC 1624: only the type changes, 8 to 0, so the checksum grows by 8. Its equation 3, used for the IP header below,
  // would be wrong here: an echo request of zeros (identifier, sequence and data) has to become 0xffff, not 0.
  store16(icmp, 0);
  store16(icmp + 2, fold(load16(icmp + 2) + 8u));

  if (__builtin_expect(header != kIpSize, 0)) {
    // Replies carry no options: a source route is not honoured, a recorded route not continued.
    std::memmove(ip + kIpSize, icmp, icmp_length);
    const size_t new_total = kIpSize + icmp_length;
    ip[0] = 0x45;
    store16(ip + 2, __builtin_bswap16(static_cast<uint16_t>(new_total)));
    store32(ip + 12, destination);
    store32(ip + 16, source);
    ip[8] = kReplyTtl;
    store16(ip + 10, 0);
    const uint64_t wide = sum_octets(ip, kIpSize);
    const uint64_t half = (wide & 0xffffffff) + (wide >> 32);
    store16(ip + 10, static_cast<uint16_t>(~fold((half & 0xffff) + (half >> 16 & 0xffff) + (half >> 32))));
    write_ether_addresses(frame, source_mac, responder.mac);
    return {Verdict::kAnsweredIcmp, reply_length(at + new_total, length)};
  }

  // Swapping the addresses leaves the sum alone; the TTL is in the low octet of its word. RFC 1624, equation 3.
  const uint32_t ttl = ip[8];
  const uint32_t unchecked = load16(ip + 10) ^ 0xffffu;
  store16(ip + 10, static_cast<uint16_t>(~fold(unchecked + (ttl ^ 0xffffu) + kReplyTtl)));
  ip[8] = kReplyTtl;
  store64(ip + 12, destination | static_cast<uint64_t>(source) << 32);
  write_ether_addresses(frame, source_mac, responder.mac);
  return {Verdict::kAnsweredIcmp, reply_length(at + total, length)};
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
