#include "selftest.h"

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <cstring>

#include "judge.h"

namespace bypass {
namespace {

constexpr unsigned kRingSize = 1024;
// About one burst in a quarter of a millisecond: enough to prove, too little to hide the empty
// polls.
constexpr uint64_t kGenerateEvery = 16;

using Octets = std::vector<uint8_t>;

constexpr uint8_t kPeerMac[6] = {0x02, 0x00, 0x00, 0x00, 0x00, 0x01};
constexpr uint8_t kBroadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

void append(Octets& to, const uint8_t* from, size_t length) {
  to.insert(to.end(), from, from + length);
}
void append(Octets& to, std::initializer_list<uint8_t> octets) { to.insert(to.end(), octets); }

// Written from the RFCs a second time, without a line from packet.cc: both would have to be wrong
// in the same way.
void put_checksum(Octets& data, size_t from, size_t to, size_t at) {
  uint32_t sum = 0;
  for (size_t i = from; i < to; ++i) sum += (i - from) % 2 == 0 ? data[i] * 256u : data[i];
  while (sum > 0xffff) sum = sum % 0x10000 + sum / 0x10000;
  sum = 0xffff - sum;
  data[at] = static_cast<uint8_t>(sum / 256);
  data[at + 1] = static_cast<uint8_t>(sum % 256);
}

Octets arp(uint8_t operation, const uint8_t* to_mac, const uint8_t* sender_mac,
           const uint8_t* sender, const uint8_t* target_mac, const uint8_t* target) {
  Octets frame;
  append(frame, to_mac, 6);
  append(frame, sender_mac, 6);
  append(frame, {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation});
  append(frame, sender_mac, 6);
  append(frame, sender, 4);
  append(frame, target_mac, 6);
  append(frame, target, 4);
  return frame;
}

Octets echo(uint8_t type, uint8_t ttl, const uint8_t* from_mac, const uint8_t* from,
            const uint8_t* to_mac, const uint8_t* to, size_t payload) {
  Octets frame;
  const size_t total = 28 + payload;
  append(frame, to_mac, 6);
  append(frame, from_mac, 6);
  append(frame, {0x08, 0x00, 0x45, 0, static_cast<uint8_t>(total / 256),
                 static_cast<uint8_t>(total % 256)});
  append(frame, {0x12, 0x34, 0x40, 0, ttl, 1, 0, 0});
  append(frame, from, 4);
  append(frame, to, 4);
  append(frame, {type, 0, 0, 0, 0xb9, 0x5e, 0, 1});
  for (size_t i = 0; i < payload; ++i) frame.push_back(static_cast<uint8_t>(i * 13));
  put_checksum(frame, 14, 34, 24);
  put_checksum(frame, 34, frame.size(), 36);
  return frame;
}

Octets changed(Octets frame, size_t at) {
  frame[at] ^= 0x20;
  return frame;
}

}  // namespace

Error SelfTest::create(rte_mempool* pool, uint16_t& port) {
  const uint8_t* const own = kSelfTestMac;
  const uint8_t* const peer = kPeerMac;
  const uint8_t no_mac[6] = {};
  const Octets small = echo(8, 33, peer, kPeerAddress, own, kValidatorAddress, 56);
  Octets cut = small;
  cut.resize(60);

  kinds_ = {
      {Verdict::kAnsweredArp, arp(1, kBroadcast, peer, kPeerAddress, no_mac, kValidatorAddress),
       arp(2, peer, own, kValidatorAddress, peer, kPeerAddress)},
      {Verdict::kArpOtherAddress,
       arp(1, kBroadcast, peer, kPeerAddress, no_mac, kOtherAddress),
       {}},
      {Verdict::kAnsweredIcmp, small, echo(0, 64, own, kValidatorAddress, peer, kPeerAddress, 56)},
      {Verdict::kBadIcmpChecksum, changed(small, 70), {}},
      {Verdict::kBadIpChecksum, changed(small, 18), {}},
      {Verdict::kIpOtherAddress, echo(8, 64, peer, kPeerAddress, own, kOtherAddress, 56), {}},
      {Verdict::kTruncated, cut, {}},
      {Verdict::kAnsweredIcmp, echo(8, 255, peer, kPeerAddress, own, kValidatorAddress, 1401),
       echo(0, 64, own, kValidatorAddress, peer, kPeerAddress, 1401)},
  };
  for (size_t i = 0; i < kinds_.size(); ++i) {
    if (!kinds_[i].reply.empty()) answered_kinds_.push_back(i);
  }

  pool_ = pool;
  const int socket = static_cast<int>(SOCKET_ID_ANY);
  requests_ = rte_ring_create("requests", kRingSize, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
  answers_ = rte_ring_create("answers", kRingSize, socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (requests_ == nullptr || answers_ == nullptr) return {"RING", rte_strerror(rte_errno)};
  const int created = rte_eth_from_rings("selftest", &requests_, 1, &answers_, 1, 0);
  if (created < 0)
    return {"PORT_COUNT", std::string("rte_eth_from_rings: ") + rte_strerror(rte_errno)};
  port = static_cast<uint16_t>(created);
  return {};
}

void SelfTest::on_block() {
  check_replies();
  if (blocks_++ % kGenerateEvery == 0 && rte_ring_count(requests_) == 0) generate();
}

void SelfTest::generate() {
  for (unsigned i = 0; i < kBurst; ++i) {
    const Octets& frame = kinds_[generated_ % kinds_.size()].request;
    rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
    if (packet == nullptr) return;
    std::memcpy(rte_pktmbuf_append(packet, static_cast<uint16_t>(frame.size())), frame.data(),
                frame.size());
    if (rte_ring_enqueue(requests_, packet) != 0) {
      rte_pktmbuf_free(packet);
      return;
    }
    ++generated_;
  }
}

void SelfTest::check_replies() {
  void* taken;
  while (rte_ring_dequeue(answers_, &taken) == 0) {
    auto* packet = static_cast<rte_mbuf*>(taken);
    const Octets& expected = kinds_[answered_kinds_[replies_ % answered_kinds_.size()]].reply;
    if (packet->data_len != expected.size() || std::memcmp(rte_pktmbuf_mtod(packet, const uint8_t*),
                                                           expected.data(), expected.size()) != 0) {
      ++wrong_replies_;
    }
    ++replies_;
    rte_pktmbuf_free(packet);
  }
}

uint64_t SelfTest::consumed_of(size_t kind) const {
  return consumed() / kinds_.size() + (consumed() % kinds_.size() > kind ? 1 : 0);
}

std::vector<std::string> SelfTest::finish(const Figures& figures) {
  check_replies();
  void* taken;
  while (rte_ring_dequeue(requests_, &taken) == 0) {
    ++left_over_;
    rte_pktmbuf_free(static_cast<rte_mbuf*>(taken));
  }

  uint64_t expected[kVerdicts] = {};
  uint64_t expected_replies = 0;
  for (size_t i = 0; i < kinds_.size(); ++i) {
    expected[static_cast<size_t>(kinds_[i].verdict)] += consumed_of(i);
    if (!kinds_[i].reply.empty()) expected_replies += consumed_of(i);
  }
  std::vector<std::string> problems;
  auto compare = [&problems](const char* what, uint64_t seen, uint64_t wanted) {
    if (seen == wanted) return;
    problems.push_back(std::string(what) + ": " + std::to_string(seen) + " instead of " +
                       std::to_string(wanted));
  };
  compare("received", get(figures.word[receivedWord]), consumed());
  for (size_t i = 0; i < kVerdicts; ++i)
    compare(verdict_name(i), get(figures.verdict[i]), expected[i]);
  compare("replies", replies_, expected_replies);
  compare("wrong replies", wrong_replies_, 0);
  if (consumed() < kinds_.size())
    problems.push_back("the generator's packets never reached the loop");
  return problems;
}

}  // namespace bypass
