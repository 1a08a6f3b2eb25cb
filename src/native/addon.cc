// The Node-API face of the validator. Thin: it converts values and calls.
#include <fcntl.h>
#include <napi.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <new>

#include "figures.h"
#include "packet_fast.h"
#include "session.h"

namespace bypass {
namespace {

using Napi::Array;
using Napi::CallbackInfo;
using Napi::Env;
using Napi::Object;
using Napi::Value;

Value number(Env env, uint64_t value) { return Napi::Number::New(env, static_cast<double>(value)); }

Array strings(Env env, const std::vector<std::string>& values) {
  Array array = Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array[i] = values[i];
  return array;
}

Value error_value(Env env, const Error& error) {
  if (!error) return env.Null();
  Object object = Object::New(env);
  object["code"] = error.code;
  object["message"] = error.message;
  return object;
}

Object snapshot_value(Env env, const Snapshot& snapshot) {
  Object object = Object::New(env);
  Array files = Array::New(env, snapshot.files.size());
  for (uint32_t i = 0; i < snapshot.files.size(); ++i) {
    const FileText& file = snapshot.files[i];
    if (file.code != 0)
      files[i] = -file.code;
    else
      files[i] = file.text;
  }
  object["files"] = files;
  // As text: a counter that runs with the clock is beyond a double's 53 bits within weeks.
  Array counters = Array::New(env, snapshot.counters.size());
  for (uint32_t i = 0; i < snapshot.counters.size(); ++i) {
    const CounterValue& counter = snapshot.counters[i];
    if (counter.code != 0)
      counters[i] = -counter.code;
    else
      counters[i] = std::to_string(counter.value);
  }
  object["counters"] = counters;
  object["involuntarySwitches"] = number(env, snapshot.involuntary_switches);
  object["voluntarySwitches"] = number(env, snapshot.voluntary_switches);
  object["minorFaults"] = number(env, snapshot.minor_faults);
  object["majorFaults"] = number(env, snapshot.major_faults);
  return object;
}

Object judge_value(Env env, const JudgeResult& judge) {
  Object object = Object::New(env);
  object["problems"] = strings(env, judge.problems);
  object["cpu"] = judge.cpu;
  object["arpResolutions"] = number(env, judge.arp_resolutions);
  object["neighbourState"] = judge.neighbour_state;
  object["neighbourMac"] = judge.neighbour_mac;
  object["echoSent"] = number(env, judge.echo_sent);
  object["echoReceived"] = number(env, judge.echo_received);
  object["echoCorrupt"] = number(env, judge.echo_corrupt);
  object["largestEcho"] = number(env, judge.largest_echo);
  object["rttMinNs"] = number(env, judge.rtt_min_ns);
  object["rttMedianNs"] = number(env, judge.rtt_median_ns);
  object["otherState"] = judge.other_state;
  object["otherReplies"] = number(env, judge.other_replies);
  object["misdirectedSent"] = number(env, judge.misdirected_sent);
  object["misdirectedReplies"] = number(env, judge.misdirected_replies);
  return object;
}

Object self_test_value(Env env, const SelfTestResult& test) {
  Object object = Object::New(env);
  object["problems"] = strings(env, test.problems);
  object["consumed"] = number(env, test.consumed);
  object["replies"] = number(env, test.replies);
  object["wrongReplies"] = number(env, test.wrong_replies);
  return object;
}

Object port_value(Env env, const PortResult& port) {
  Object object = Object::New(env);
  object["node"] = port.node == kAnyNode ? env.Null() : number(env, port.node);
  Array memory = Array::New(env, port.memory.size());
  for (uint32_t i = 0; i < port.memory.size(); ++i) {
    Object part = Object::New(env);
    part["node"] = port.memory[i].node;
    part["pageSize"] = number(env, port.memory[i].page_size);
    part["octets"] = number(env, port.memory[i].octets);
    memory[i] = part;
  }
  object["memory"] = memory;
  object["linkUp"] = port.link.up;
  object["linkSpeed"] = port.link.speed == 0 ? env.Null() : number(env, port.link.speed);
  object["linkLosses"] = number(env, port.link_losses);
  return object;
}

Object result_value(Env env, const SessionResult& result) {
  Object object = Object::New(env);
  object["error"] = error_value(env, result.error);
  object["dpdkVersion"] = result.dpdk_version;
  object["driver"] = result.driver;
  object["mac"] = result.mac;
  object["startedAtMs"] = number(env, result.started_at_ms);
  object["setupNs"] = number(env, result.setup_ns);
  object["durationNs"] = number(env, result.duration_ns);
  object["before"] = snapshot_value(env, result.before);
  object["after"] = snapshot_value(env, result.after);
  object["imissed"] = number(env, result.stats.imissed);
  object["ierrors"] = number(env, result.stats.ierrors);
  object["rxNombuf"] = number(env, result.stats.rx_nombuf);
  object["oerrors"] = number(env, result.stats.oerrors);
  object["socketDrops"] = result.has_socket_drops ? number(env, result.socket_drops) : env.Null();
  object["judge"] = result.has_judge ? judge_value(env, result.judge) : env.Null();
  object["selfTest"] = result.has_self_test ? self_test_value(env, result.self_test) : env.Null();
  object["port"] = result.has_port ? port_value(env, result.port) : env.Null();
  return object;
}

std::vector<int> integers(const Value& value) {
  const Array array = value.As<Array>();
  std::vector<int> result;
  for (uint32_t i = 0; i < array.Length(); ++i)
    result.push_back(array.Get(i).ToNumber().Int32Value());
  return result;
}

std::vector<std::string> texts(const Value& value) {
  const Array array = value.As<Array>();
  std::vector<std::string> result;
  for (uint32_t i = 0; i < array.Length(); ++i)
    result.push_back(array.Get(i).ToString().Utf8Value());
  return result;
}

// [{msr, register} | {type, config}]
std::vector<CounterSource> counter_sources(const Array& array) {
  std::vector<CounterSource> sources;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Object object = array.Get(i).As<Object>();
    CounterSource source;
    if (object.Has("msr")) {
      source.msr = object.Get("msr").ToString().Utf8Value();
      source.reg = static_cast<uint64_t>(object.Get("register").ToNumber().Int64Value());
    } else {
      source.type = object.Get("type").ToNumber().Uint32Value();
      source.config = static_cast<uint64_t>(object.Get("config").ToNumber().Int64Value());
    }
    sources.push_back(source);
  }
  return sources;
}

SessionConfig session_config(const Object& object) {
  SessionConfig config;
  const std::string mode = object.Get("mode").ToString().Utf8Value();
  config.mode = mode == "embedded"    ? Mode::kEmbedded
                : mode == "interface" ? Mode::kInterface
                : mode == "port"      ? Mode::kPort
                : mode == "quiet"     ? Mode::kQuiet
                                      : Mode::kRing;
  config.eal_arguments = texts(object.Get("ealArguments"));
  config.files = texts(object.Get("files"));
  config.counters = counter_sources(object.Get("counters").As<Array>());
  config.wait = object.Get("wait").ToBoolean().Value();
  config.cpu = object.Get("cpu").ToNumber().Int32Value();
  config.other_cpus = integers(object.Get("otherCpus"));
  config.duration_ms = static_cast<uint64_t>(object.Get("durationMs").ToNumber().Int64Value());
  config.stride = object.Get("stride").ToNumber().Uint32Value();
  const std::vector<int> address = integers(object.Get("address"));
  config.has_address = address.size() == 4;
  for (size_t i = 0; i < address.size() && i < 4; ++i)
    config.address[i] = static_cast<uint8_t>(address[i]);
  config.pci = object.Get("pci").ToString().Utf8Value();
  config.kernel_interface = object.Get("kernelInterface").ToBoolean().Value();
  return config;
}

// run({mode, ealArguments, cpu, otherCpus, files, counters, wait, durationMs, stride, address, pci,
// kernelInterface, parentPid}, pageFd):
// blocks, then the result.
Value run(const CallbackInfo& info) {
  const Env env = info.Env();
  const Object options = info[0].As<Object>();
  const int page = info[1].ToNumber().Int32Value();

  // A parent killed with -9 takes this process along. It may already be gone: then the signal would
  // never come.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != options.Get("parentPid").ToNumber().Int32Value()) _exit(1);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);

  struct stat status {};
  if (fstat(page, &status) != 0 || status.st_size < static_cast<off_t>(sizeof(Figures))) {
    SessionResult stale;
    stale.error = {"ADDON_STALE", "the shared page is too small"};
    return result_value(env, stale);
  }
  void* const memory = mmap(nullptr, sizeof(Figures), PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
  if (memory == MAP_FAILED) {
    Napi::Error::New(env, with_errno("mmap", errno)).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  // Zero octets are valid atomics on every ABI that DPDK runs on; the parent wrote them.
  auto* const figures = std::launder(static_cast<Figures*>(memory));
  const Value result = result_value(env, run_session(session_config(options), *figures));
  munmap(memory, sizeof(Figures));
  return result;
}

// layout(): what figures.ts must agree with.
Value layout(const CallbackInfo& info) {
  const Env env = info.Env();
  std::vector<std::string> words = {
#define BYPASS_NAME(name) #name,
      BYPASS_WORDS(BYPASS_NAME)
#undef BYPASS_NAME
  };
  std::vector<std::string> verdicts;
  for (size_t i = 0; i < kVerdicts; ++i) verdicts.emplace_back(verdict_name(i));
  Object object = Object::New(env);
  object["magic"] = Napi::BigInt::New(env, kFiguresMagic);
  object["version"] = number(env, kFiguresVersion);
  object["words"] = strings(env, words);
  object["verdicts"] = strings(env, verdicts);
  object["verdictSlots"] = number(env, kVerdictSlots);
  object["buckets"] = number(env, kBuckets);
  object["bytes"] = number(env, sizeof(Figures));
  return object;
}

// bucketOf(cycles): the histogram's index, for the same comparison.
Value bucket(const CallbackInfo& info) {
  return number(info.Env(), bucket_of(static_cast<uint64_t>(info[0].ToNumber().Int64Value())));
}

// handleFrame(Buffer frame, Buffer mac, Buffer address | null): {verdict, length, fast}; the frame
// is changed in place.
Value handle(const CallbackInfo& info) {
  const Env env = info.Env();
  auto frame = info[0].As<Napi::Buffer<uint8_t>>();
  auto mac = info[1].As<Napi::Buffer<uint8_t>>();
  const uint8_t* address = info[2].IsNull() ? nullptr : info[2].As<Napi::Buffer<uint8_t>>().Data();
  const Responder responder = Responder::make(mac.Data(), address);
  // As the loop does it (handle_batch).
  Handled handled{answer_fast(responder, frame.Data(), frame.Length()),
                  static_cast<uint32_t>(frame.Length())};
  const bool fast = handled.verdict != kUndecided;
  if (!fast) handled = handle_frame(responder, frame.Data(), frame.Length());
  Object object = Object::New(env);
  object["verdict"] = std::string(verdict_name(static_cast<size_t>(handled.verdict)));
  object["length"] = number(env, handled.length);
  object["fast"] = fast;
  return object;
}

Object init(Env env, Object exports) {
  exports["run"] = Napi::Function::New(env, run);
  exports["layout"] = Napi::Function::New(env, layout);
  exports["bucketOf"] = Napi::Function::New(env, bucket);
  exports["handleFrame"] = Napi::Function::New(env, handle);
  return exports;
}

NODE_API_MODULE(validator, init)

}  // namespace
}  // namespace bypass
