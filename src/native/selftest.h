// The self-test of the `ring` mode: a generator and a checker on the two ends of a net_ring port,
// on the poll loop's own core. Needs no privilege; proves DPDK, the loop and the packet code, but
// no kernel and no interface.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "error.h"
#include "loop.h"

struct rte_mempool;
struct rte_ring;

namespace bypass {

constexpr uint8_t kSelfTestMac[6] = {0x02, 0x00, 0x00, 0x00, 0x00, 0x02};

class SelfTest final : public BlockHook {
 public:
  // Makes the rings and the port over them. The port still has to be started.
  Error create(rte_mempool* pool, uint16_t& port);
  void on_block() override;
  // After the loop: what was not consumed is taken back, the last replies are checked, and the
  // loop's own counts are compared with what was sent. The sentences name every difference; none
  // means that all is well.
  std::vector<std::string> finish(const Figures& figures);

  uint64_t consumed() const { return generated_ - left_over_; }
  uint64_t replies() const { return replies_; }
  uint64_t wrong_replies() const { return wrong_replies_; }

 private:
  struct Kind {
    Verdict verdict;
    std::vector<uint8_t> request;
    std::vector<uint8_t> reply;  // empty: must not be answered
  };

  void generate();
  void check_replies();
  uint64_t consumed_of(size_t kind) const;

  std::vector<Kind> kinds_;
  std::vector<size_t> answered_kinds_;
  rte_mempool* pool_ = nullptr;
  rte_ring* requests_ = nullptr;
  rte_ring* answers_ = nullptr;
  uint64_t blocks_ = 0;
  uint64_t generated_ = 0;
  uint64_t left_over_ = 0;
  uint64_t replies_ = 0;
  uint64_t wrong_replies_ = 0;
};

}  // namespace bypass
