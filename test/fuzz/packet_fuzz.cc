// libFuzzer target for src/native/packet.cc: memory safety through the sanitizers, and the promises
// of packet.h.
//
// Input: one octet of options, then the frame. test/fuzz/run.mjs builds and runs it.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "packet.h"
#include "packet_fast.h"

namespace {

constexpr uint8_t kMac[6] = {0x02, 0, 0, 0, 0, 2};
constexpr uint8_t kAddress[4] = {198, 18, 0, 2};

enum Options : uint8_t {
  kRepairChecksums =
      1,  // mutations rarely keep a checksum right, and nothing behind it would be reached
  kWithoutAddress = 2,
};

#define PROMISE(condition)                                      \
  do {                                                          \
    if (!(condition)) {                                         \
      std::fprintf(stderr, "broken promise: %s\n", #condition); \
      std::abort();                                             \
    }                                                           \
  } while (false)

uint16_t checksum(const uint8_t* data, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i < length; ++i) sum += i % 2 == 0 ? data[i] << 8 : data[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void put_checksum(uint8_t* data, size_t length, size_t at) {
  data[at] = data[at + 1] = 0;
  const uint16_t value = checksum(data, length);
  data[at] = static_cast<uint8_t>(value >> 8);
  data[at + 1] = static_cast<uint8_t>(value);
}

size_t network_offset(const uint8_t* frame, size_t length) {
  size_t at = 14;
  for (int tags = 0; tags < 2 && length >= at + 4; ++tags) {
    const unsigned type = frame[at - 2] << 8 | frame[at - 1];
    if (type != 0x8100 && type != 0x88a8) break;
    at += 4;
  }
  return at;
}

size_t ip_total(const uint8_t* ip) { return static_cast<size_t>(ip[2] << 8 | ip[3]); }

void repair(uint8_t* frame, size_t length) {
  const size_t at = network_offset(frame, length);
  if (length < at + 20 || frame[at - 2] != 0x08 || frame[at - 1] != 0x00) return;
  uint8_t* const ip = frame + at;
  const size_t header = (ip[0] & 15u) * 4;
  const size_t total = ip_total(ip);
  if (header < 20 || total < header + 8 || total > length - at) return;
  put_checksum(ip + header, total - header, 2);
  put_checksum(ip, header, 10);
}

void check_answer(const uint8_t* request, size_t request_length, const uint8_t* reply,
                  bypass::Handled handled) {
  PROMISE(handled.length <= request_length);
  PROMISE(std::memcmp(reply + 6, kMac, 6) == 0);
  PROMISE((reply[0] & 1) == 0);
  const size_t at = network_offset(request, request_length);
  PROMISE(std::memcmp(reply + 12, request + 12, at - 12) == 0);  // ethertype and tags
  const uint8_t* const asked = request + at;
  const uint8_t* const answered = reply + at;

  if (handled.verdict == bypass::Verdict::kAnsweredArp) {
    PROMISE(handled.length >= at + 28);
    PROMISE(handled.length == at + 28 || handled.length <= 60);
    PROMISE(std::memcmp(asked + 24, kAddress, 4) == 0);
    PROMISE(std::memcmp(answered, "\0\1\10\0\6\4\0\2", 8) == 0);
    PROMISE(std::memcmp(answered + 8, kMac, 6) == 0);
    PROMISE(std::memcmp(answered + 14, kAddress, 4) == 0);
    PROMISE(std::memcmp(answered + 18, asked + 8, 10) == 0);
    PROMISE(std::memcmp(reply, asked + 8, 6) == 0);
    return;
  }
  const size_t header = (asked[0] & 15u) * 4;
  const size_t payload = ip_total(asked) - header;
  PROMISE(handled.length >= at + 20 + payload);
  PROMISE(handled.length == at + 20 + payload || handled.length <= 60);
  PROMISE(std::memcmp(request, kMac, 6) == 0);
  PROMISE(std::memcmp(reply, request + 6, 6) == 0);
  PROMISE(std::memcmp(asked + 16, kAddress, 4) == 0);
  PROMISE(checksum(asked, header) == 0);
  PROMISE(checksum(asked + header, payload) == 0);
  PROMISE(answered[0] == 0x45);
  PROMISE(ip_total(answered) == 20 + payload);
  PROMISE(checksum(answered, 20) == 0);
  PROMISE(std::memcmp(answered + 12, kAddress, 4) == 0);
  PROMISE(std::memcmp(answered + 16, asked + 12, 4) == 0);
  PROMISE(answered[8] == 64);
  const uint8_t* const echo = answered + 20;
  PROMISE(echo[0] == 0 && echo[1] == 0);
  PROMISE(checksum(echo, payload) == 0);
  PROMISE(std::memcmp(echo + 4, asked + header + 4, payload - 4) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t options = data[0];
  const size_t length = size - 1;
  // Exactly as long as the frame, so that the address sanitizer sees the first octet too far.
  const std::unique_ptr<uint8_t[]> request(new uint8_t[length]);
  const std::unique_ptr<uint8_t[]> frame(new uint8_t[length]);
  if (length != 0) std::memcpy(request.get(), data + 1, length);
  if ((options & kRepairChecksums) != 0 && length >= 14) repair(request.get(), length);
  if (length != 0) std::memcpy(frame.get(), request.get(), length);

  const bool has_address = (options & kWithoutAddress) == 0;
  const auto responder = bypass::Responder::make(kMac, has_address ? kAddress : nullptr);
  const bypass::Handled handled = bypass::handle_frame(responder, frame.get(), length);

  const std::unique_ptr<uint8_t[]> fast(new uint8_t[length]);
  if (length != 0) std::memcpy(fast.get(), request.get(), length);
  const bypass::Verdict verdict = bypass::answer_fast(responder, fast.get(), length);
  if (verdict == bypass::kUndecided) {
    PROMISE(length == 0 || std::memcmp(fast.get(), request.get(), length) == 0);
  } else {
    PROMISE(verdict == handled.verdict && length == handled.length);
    PROMISE(std::memcmp(fast.get(), frame.get(), length) == 0);
  }

  PROMISE(handled.verdict < bypass::Verdict::kCount);
  PROMISE((handled.length != 0) == bypass::is_answer(handled.verdict));
  if (handled.length == 0) {
    PROMISE(length == 0 || std::memcmp(frame.get(), request.get(), length) == 0);
    return 0;
  }
  PROMISE(has_address);
  check_answer(request.get(), length, frame.get(), handled);
  // Two validators must never answer each other's answers.
  const auto peer = bypass::Responder::make(frame.get(), kAddress);
  PROMISE(!bypass::is_answer(bypass::handle_frame(peer, frame.get(), handled.length).verdict));
  return 0;
}
