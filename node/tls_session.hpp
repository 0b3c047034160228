// TlsSession: TLS 1.3 on a connected socket, between two nodes that know one volume's secret.
//
// There are no certificates: both ends prove that they know a key derived from the secret that
// mkfs stored in the volume, and so that they can read the volume. The keys of the session come
// from an exchange of their own (ECDHE), so that whoever learns the secret later cannot read
// what was recorded before. Versions below 1.3 are not spoken.
//
// The connecting end names the volume and its format hash in clear text; the accepting end
// refuses another one and says which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/base/ids.hpp"

struct gnutls_session_int;

namespace scoutfs::node {

// What the nodes of a volume share.
struct TlsKey {
  std::string identity;  // "FSID FORMAT-HASH", both 16 hexadecimal digits
  std::string key;       // 32 bytes: HKDF-SHA256 of the secret, salted with the fsid
};
// Errors: none; `secret` is of any length.
TlsKey derive_tls_key(Fsid fsid, std::uint64_t format_hash, std::string_view secret);

class TlsSession {
 public:
  enum class Role : std::uint8_t { connecting, accepting };
  enum class Step : std::uint8_t {
    done,
    wants_read,   // call again when the socket can be read
    wants_write,  // call again when it can be written
    ended,        // the peer said goodbye
    failed,       // why() says how
  };

  // `socket` does not block and lives as long.
  TlsSession(int socket, Role role, const TlsKey& key);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // Until it is done nothing can be sent or received.
  Step handshake();
  // Done: `size` bytes, at least one, were received or sent. A send that was not done is
  // repeated with the same bytes. Requires: `out` holds kRecordMax bytes, so that nothing stays
  // behind that the socket does not tell of.
  static constexpr std::size_t kRecordMax = 16u << 10;
  Step receive(std::span<char> out, std::size_t& size);
  Step send(std::string_view bytes, std::size_t& size);
  // Says goodbye if the socket takes it at once.
  void end();

  const std::string& why() const { return why_; }

 private:
  struct Credentials;
  Step step_of(long status);

  std::unique_ptr<Credentials> credentials_;
  gnutls_session_int* session_ = nullptr;
  std::string why_;
};

}  // namespace scoutfs::node
