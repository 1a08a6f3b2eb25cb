// A failure inside the child process. The code is stable; the parent turns it into a ToolError with
// a hint.
#pragma once

#include <cstring>
#include <string>

namespace bypass {

struct Error {
  std::string code;
  std::string message;

  explicit operator bool() const { return !code.empty(); }
};

// "bind: Permission denied"
inline std::string with_errno(const char* what, int error_number) {
  return std::string(what) + ": " + std::strerror(error_number);
}

}  // namespace bypass
