// Answers ARP requests and ICMP echo requests in place, for one address and nothing else.
//
// Free of DPDK, of allocation and of system calls, so that the fuzzer (test/fuzz/packet_fuzz.cc),
// the property tests (through the addon's handleFrame) and the poll loop all run the very same
// code.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bypass {

// What became of a frame. The names are part of the public result (validate@1): append, never
// rename.
#define BYPASS_VERDICTS(X)                                                                    \
  X(kAnsweredArp, "answered-arp")                                                             \
  X(kAnsweredIcmp, "answered-icmp")                                                           \
  X(kTruncated, "truncated")            /* shorter than its own headers or lengths say */     \
  X(kNotForUs, "not-for-us")            /* destination MAC is another station's or a group */ \
  X(kOtherEthertype, "other-ethertype") /* neither ARP nor IPv4 */                            \
  X(kBadSource, "bad-source")           /* a source that must not be answered */              \
  X(kBadArp, "bad-arp")                 /* not Ethernet/IPv4, or an impossible sender */      \
  X(kArpNotRequest, "arp-not-request")                                                        \
  X(kArpOtherAddress, "arp-other-address")                                                    \
  X(kArpConflict, "arp-conflict")  /* another station claims our address, RFC 5227 2.4 */     \
  X(kBadIpHeader, "bad-ip-header") /* version, header length or total length */               \
  X(kBadIpChecksum, "bad-ip-checksum")                                                        \
  X(kIpOtherAddress, "ip-other-address")                                                      \
  X(kFragment, "fragment")                                                                    \
  X(kOtherProtocol, "other-protocol")                                                         \
  X(kOtherIcmp, "other-icmp")                                                                 \
  X(kBadIcmpChecksum, "bad-icmp-checksum")

enum class Verdict : uint32_t {
#define BYPASS_ENUM(id, name) id,
  BYPASS_VERDICTS(BYPASS_ENUM)
#undef BYPASS_ENUM
      kCount
};

constexpr size_t kVerdicts = static_cast<size_t>(Verdict::kCount);

// The stable name of a verdict, for instance "arp-other-address".
const char* verdict_name(size_t verdict);

// Fits no 32-bit address, so that a responder without an address answers nothing, not even 0.0.0.0.
constexpr uint64_t kNoAddress = UINT64_MAX;

// Who answers. Both values are in wire order, loaded from memory on a little-endian machine.
struct Responder {
  uint64_t mac = 0;
  // The same again, cut as a frame's bytes 6 to 11 are written: with the destination's word, and
  // alone.
  uint64_t mac_head = 0;
  uint32_t mac_tail = 0;
  uint64_t address = kNoAddress;

  static Responder make(const uint8_t mac[6], const uint8_t* address_or_null);
};

struct Handled {
  Verdict verdict;
  // Octets to send; 0 when there is no reply. Never more than the request had.
  uint32_t length;
};

inline bool is_answer(Verdict verdict) { return verdict <= Verdict::kAnsweredIcmp; }

// Reads at most `length` octets of `frame` (an Ethernet frame without its FCS) and turns it into
// the reply where one is due; otherwise the frame is left as it was. Up to two VLAN tags stay in
// place.
Handled handle_frame(const Responder& responder, uint8_t* frame, size_t length);

}  // namespace bypass
