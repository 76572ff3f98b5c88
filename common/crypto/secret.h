#ifndef FEDERITY_COMMON_CRYPTO_SECRET_H_
#define FEDERITY_COMMON_CRYPTO_SECRET_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace federity::crypto {

// Bytes that are wiped when they go. Movable, copyable only by name, never
// printed, compared in constant time. Thread-compatible.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  Secret Clone() const { return Secret(view()); }
  std::string_view view() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  bool Equals(std::string_view other) const;

 private:
  std::string bytes_;
};

// `size` bytes from the operating system's generator; aborts the process if
// there is none (nothing safe can be done then).
std::string RandomBytes(size_t size);
Secret RandomSecret(size_t size);

// A random UUID, version 4: request ids, contribution ids, uploads.
std::string RandomUuid();

}  // namespace federity::crypto

#endif  // FEDERITY_COMMON_CRYPTO_SECRET_H_
