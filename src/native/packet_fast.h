// The path that nearly every packet of a ping or of an address resolution takes: untagged, no IP
// options, and a reply as long as the request. Inlined into the poll loop, where a call per packet
// would cost as much as the checksum. Whatever it does not recognise at once is left to
// handle_frame, which knows every reason. Where this one answers, that one would give the same
// octets; the fuzzer compares them.
#pragma once

#include <cstring>

#include "packet.h"

namespace bypass {
namespace wire {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "the wide loads below assume little-endian");

// Wire values as a little-endian load sees them.
constexpr uint64_t kMacMask = 0x0000ffffffffffff;
constexpr uint64_t kMacGroupBit = 0x01;  // IEEE 802-2014 8.2.2: the first bit sent is the I/G bit
constexpr uint16_t kTypeIpv4 = 0x0008;
constexpr uint16_t kTypeArp = 0x0608;
constexpr uint16_t kTypeVlan = 0x0081;         // 802.1Q C-tag
constexpr uint16_t kTypeServiceVlan = 0xa888;  // 802.1ad S-tag

constexpr size_t kEtherSize = 14;
constexpr size_t kTagSize = 4;
constexpr size_t kMinFrame = 60;  // ETH_ZLEN: without the FCS
constexpr size_t kArpSize = 28;
constexpr size_t kIpSize = 20;
constexpr size_t kIcmpSize = 8;
constexpr uint16_t kEchoRequest = 0x0008;  // type 8, code 0, RFC 792
constexpr uint32_t kReplyTtl = 64;         // IANA's recommended default, RFC 1700

// RFC 826: hardware Ethernet, protocol IPv4, lengths 6 and 4, and the operation in the two top
// octets.
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

// One's-complement addition of 64-bit words. 2^16-1 divides 2^64-1, so this sum is congruent to the
// 16-bit sum of RFC 1071 and is only reduced once, at the end.
inline uint64_t add_wrapping(uint64_t sum, uint64_t word) {
  sum += word;
  return sum + (sum < word);
}

inline uint64_t sum_octets(const uint8_t* at, size_t length) {
  uint64_t sum = 0;
#if defined(__x86_64__) && !defined(BYPASS_PORTABLE_SUM)
  // A chain of add-with-carry, one instruction a word; compilers do not find it in portable code.
  for (size_t blocks = length / 64; blocks != 0; --blocks) {
    __asm__(
        "addq (%1), %0\n\tadcq 8(%1), %0\n\tadcq 16(%1), %0\n\tadcq 24(%1), %0\n\t"
        "adcq 32(%1), %0\n\tadcq 40(%1), %0\n\tadcq 48(%1), %0\n\tadcq 56(%1), %0\n\tadcq $0, %0"
        : "+r"(sum)
        : "r"(at), "m"(*reinterpret_cast<const uint8_t(*)[64]>(at))
        : "cc");
    at += 64;
  }
  length %= 64;
  if (length == 0) return sum;
#endif
  for (; length >= 8; length -= 8, at += 8) sum = add_wrapping(sum, load64(at));
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

// The fixed part of an IPv4 header.
inline uint64_t sum_header(const uint8_t* ip) {
  return add_wrapping(add_wrapping(load64(ip), load64(ip + 8)), load32(ip + 16));
}

// RFC 1071: data that carries a right checksum sums to minus zero, a multiple of 0xffff. (No caller
// can pass all zeros.) Multiplying by the inverse modulo 2^64 tells a multiple without a division.
inline bool is_minus_zero(uint64_t sum) {
  constexpr uint64_t kInverse = 0xfffefffefffeffff;
  static_assert(kInverse * 0xffff == 1);
  return sum * kInverse <= UINT64_MAX / 0xffff;
}

inline uint16_t fold(uint32_t sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum + (sum >> 16));
}

// First octets of addresses that nobody can own (RFC 1122 3.2.1.3): "this network", loopback,
// groups, class E and the limited broadcast.
struct ImpossibleSources {
  bool first[256] = {};
  constexpr ImpossibleSources() {
    for (int i = 0; i < 256; ++i) first[i] = i == 0 || i == 127 || i >= 224;
  }
};
inline constexpr ImpossibleSources kImpossibleSources;
inline bool is_impossible_source(uint32_t address) {
  return kImpossibleSources.first[address & 0xff];
}

// A sender may pad a short frame up to ETH_ZLEN; the reply keeps that much and drops anything
// beyond its own end.
inline uint32_t reply_length(size_t needed, size_t received) {
  const size_t kept = received < kMinFrame ? received : kMinFrame;
  return static_cast<uint32_t>(needed < kept ? kept : needed);
}

inline bool is_unusable_mac(uint64_t mac) { return (mac & kMacGroupBit) != 0 || mac == 0; }

inline void write_ether_addresses(const Responder& responder, uint8_t* frame,
                                  uint64_t destination) {
  store64(frame, destination | responder.mac_head);
  store32(frame + 8, responder.mac_tail);
}

// RFC 826, "packet reception": swap the pairs, put ours in, answer to the hardware address of the
// *body*.
inline void write_arp_reply(const Responder& responder, uint8_t* frame, uint8_t* arp) {
  const uint64_t sender_pair = load64(arp + 8);
  const uint16_t sender_end = load16(arp + 16);
  const uint32_t target = load32(arp + 24);
  store64(arp, kArpReply);
  store64(arp + 8, responder.mac | static_cast<uint64_t>(target) << 48);
  store16(arp + 16, static_cast<uint16_t>(target >> 16));
  store64(arp + 18, sender_pair);
  store16(arp + 26, sender_end);
  write_ether_addresses(responder, frame, sender_pair & kMacMask);
}

// For a header without options.
inline void write_echo_reply(uint8_t* ip, uint8_t* icmp) {
  // RFC 1624: only the type changes, 8 to 0, so the checksum grows by 8. Its equation 3, used for
  // the IP header below, would be wrong here: an echo request of zeros (identifier, sequence and
  // data) has to become 0xffff, not 0.
  const auto checksum = static_cast<uint16_t>(load16(icmp + 2) + 8u);
  store16(icmp, 0);
  store16(icmp + 2, static_cast<uint16_t>(checksum + (checksum < 8)));
  // Swapping the addresses leaves the sum alone; the TTL is in the low octet of its word. RFC 1624,
  // equation 3.
  if (const uint32_t ttl = ip[8]; ttl != kReplyTtl) {
    const uint32_t unchecked = load16(ip + 10) ^ 0xffffu;
    store16(ip + 10, static_cast<uint16_t>(~fold(unchecked + (ttl ^ 0xffffu) + kReplyTtl)));
    ip[8] = kReplyTtl;
  }
  const uint64_t addresses = load64(ip + 12);
  store64(ip + 12, addresses << 32 | addresses >> 32);
}

}  // namespace wire

// The verdict of an answer, in place and as long as the request, or kUndecided with the frame
// untouched.
constexpr Verdict kUndecided = Verdict::kCount;

inline __attribute__((always_inline)) Verdict answer_fast(const Responder& responder,
                                                          uint8_t* frame, size_t length) {
  using namespace wire;
  constexpr size_t kSmallest = kEtherSize + kArpSize;
  static_assert(kSmallest == kEtherSize + kIpSize + kIcmpSize,
                "one length check serves both protocols");
  if (__builtin_expect(length < kSmallest, 0)) return kUndecided;
  const uint64_t to = load64(frame) & kMacMask;
  uint8_t* const body = frame + kEtherSize;

  if (load16(frame + 12) == kTypeIpv4) {
    if (__builtin_expect(to != responder.mac, 0)) return kUndecided;
    if (__builtin_expect(body[0] != 0x45, 0)) return kUndecided;
    // Neither padding nor truncation. With the check above this leaves room for the ICMP header.
    if (__builtin_expect(__builtin_bswap16(load16(body + 2)) != length - kEtherSize, 0))
      return kUndecided;
    // Flags, offset, TTL and protocol: no fragment, ICMP.
    if (__builtin_expect((load32(body + 6) & 0xff00ff3f) != 0x01000000, 0)) return kUndecided;
    const uint32_t source = load32(body + 12);
    const uint32_t destination = load32(body + 16);
    if (__builtin_expect(destination != responder.address, 0)) return kUndecided;
    if (__builtin_expect(source == destination, 0)) return kUndecided;
    if (__builtin_expect(is_impossible_source(source), 0)) return kUndecided;
    if (__builtin_expect(load16(body + kIpSize) != kEchoRequest, 0)) return kUndecided;
    if (__builtin_expect((frame[6] & kMacGroupBit) != 0, 0)) return kUndecided;
    const uint64_t source_mac = load64(frame + 6) & kMacMask;
    if (__builtin_expect(source_mac == 0, 0)) return kUndecided;
    if (__builtin_expect(source_mac == responder.mac, 0)) return kUndecided;
    uint8_t* const icmp = body + kIpSize;
    if (__builtin_expect(!is_minus_zero(sum_header(body)), 0)) return kUndecided;
    if (__builtin_expect(!is_minus_zero(sum_octets(icmp, length - kEtherSize - kIpSize)), 0))
      return kUndecided;
    write_echo_reply(body, icmp);
    write_ether_addresses(responder, frame, source_mac);
    return Verdict::kAnsweredIcmp;
  }

  if (__builtin_expect(load16(frame + 12) != kTypeArp, 0)) return kUndecided;
  if (__builtin_expect(load64(body) != kArpRequest, 0)) return kUndecided;
  if (__builtin_expect(load32(body + 24) != responder.address, 0)) return kUndecided;
  if (__builtin_expect(length > kMinFrame, 0)) return kUndecided;
  if (__builtin_expect(to != kMacMask, 0)) {
    if (to != responder.mac) return kUndecided;
  }
  const uint32_t sender = load32(body + 14);
  if (__builtin_expect(sender == responder.address, 0)) return kUndecided;
  if (__builtin_expect(is_impossible_source(sender), 0)) return kUndecided;
  if (__builtin_expect((body[8] & kMacGroupBit) != 0, 0)) return kUndecided;
  const uint64_t sender_mac = load64(body + 8) & kMacMask;
  if (__builtin_expect(sender_mac == 0, 0)) return kUndecided;
  if (__builtin_expect(sender_mac == responder.mac, 0)) return kUndecided;
  write_arp_reply(responder, frame, body);
  return Verdict::kAnsweredArp;
}

}  // namespace bypass
