// Questions that the kernel answers only through a socket, an ioctl or syslog(2), and that Node cannot ask.
// The bytes go through unparsed: src/formats/netlink.ts and src/host/kernel-answers.ts give them meaning.

#include <cerrno>
#include <cstring>
#include <vector>

#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <napi.h>

namespace {

class Socket {
 public:
  Socket(int family, int type, int protocol) : fd_(socket(family, type | SOCK_CLOEXEC, protocol)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// A failed call is the negative errno, as the kernel itself does it; TypeScript turns it into words.
Napi::Value Errno(Napi::Env env) { return Napi::Number::New(env, -errno); }

// The kernel sends dumps in pieces of at most 32 KiB (net/netlink/af_netlink.c, netlink_dump).
constexpr size_t kDumpPiece = 65536;
// A dump larger than this (some 500,000 routes) is refused instead of filling memory.
constexpr size_t kDumpLimit = size_t{64} << 20;

enum class Dump { kDone, kInterrupted, kFailed };

Dump CollectDump(int fd, std::vector<uint8_t>* out) {
  std::vector<uint8_t> piece(kDumpPiece);
  bool interrupted = false;
  for (;;) {
    const ssize_t got = recv(fd, piece.data(), piece.size(), MSG_TRUNC);
    if (got < 0) return Dump::kFailed;
    if (static_cast<size_t>(got) > piece.size() || out->size() + got > kDumpLimit) {
      errno = EMSGSIZE;
      return Dump::kFailed;
    }
    // Signed: NLMSG_NEXT takes the aligned length off, which may be more than what is left.
    int left = static_cast<int>(got);
    for (auto* header = reinterpret_cast<nlmsghdr*>(piece.data()); NLMSG_OK(header, left);
         header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_flags & NLM_F_DUMP_INTR) interrupted = true;
      if (header->nlmsg_type == NLMSG_DONE) return interrupted ? Dump::kInterrupted : Dump::kDone;
      if (header->nlmsg_type == NLMSG_ERROR) {
        const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
        errno = error->error == 0 ? EPROTO : -error->error;
        return Dump::kFailed;
      }
      const auto* bytes = reinterpret_cast<const uint8_t*>(header);
      out->insert(out->end(), bytes, bytes + NLMSG_ALIGN(header->nlmsg_len));
    }
  }
}

// netlink(request) -> the dump's messages as one buffer, or -errno.
Napi::Value Netlink(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const auto request = info[0].As<Napi::Uint8Array>();
  // NLM_F_DUMP_INTR: the tables changed under the dump and it may miss entries (netlink(7)).
  for (int attempt = 0; attempt < 4; attempt++) {
    Socket netlink(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (netlink.fd() < 0) return Errno(env);
    const timeval patience{2, 0};
    setsockopt(netlink.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (send(netlink.fd(), request.Data(), request.ByteLength(), 0) < 0) return Errno(env);
    std::vector<uint8_t> answer;
    switch (CollectDump(netlink.fd(), &answer)) {
      case Dump::kDone:
        return Napi::Buffer<uint8_t>::Copy(env, answer.data(), answer.size());
      case Dump::kFailed:
        return Errno(env);
      case Dump::kInterrupted:
        break;
    }
  }
  errno = EAGAIN;
  return Errno(env);
}

// ethtool(interface, command) fills the command in place -> 0 or -errno. The command is sized by the caller.
Napi::Value Ethtool(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string name = info[0].As<Napi::String>();
  auto command = info[1].As<Napi::Uint8Array>();
  ifreq request{};
  if (name.size() >= sizeof(request.ifr_name)) {
    errno = ENODEV;
    return Errno(env);
  }
  memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_data = reinterpret_cast<char*>(command.Data());
  Socket any(AF_INET, SOCK_DGRAM, 0);
  if (any.fd() < 0 || ioctl(any.fd(), SIOCETHTOOL, &request) < 0) return Errno(env);
  return Napi::Number::New(env, 0);
}

// kernelLog() -> the ring buffer as syslog(2) gives it, without consuming it, or -errno.
Napi::Value KernelLog(const Napi::CallbackInfo& info) {
  constexpr int kReadAll = 3;      // SYSLOG_ACTION_READ_ALL
  constexpr int kSizeBuffer = 10;  // SYSLOG_ACTION_SIZE_BUFFER
  Napi::Env env = info.Env();
  const int size = klogctl(kSizeBuffer, nullptr, 0);
  if (size < 0) return Errno(env);
  std::vector<char> text(size);
  const int got = klogctl(kReadAll, text.data(), size);
  if (got < 0) return Errno(env);
  return Napi::Buffer<char>::Copy(env, text.data(), got);
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("netlink", Napi::Function::New(env, Netlink));
  exports.Set("ethtool", Napi::Function::New(env, Ethtool));
  exports.Set("kernelLog", Napi::Function::New(env, KernelLog));
  return exports;
}

}  // namespace

NODE_API_MODULE(kernel_query, Init)
