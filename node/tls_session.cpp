#include "node/tls_session.hpp"

#include <fmt/core.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <array>
#include <cstring>

#include "engine/base/assert.hpp"

namespace scoutfs::node {

namespace {

// Of the key, not of the messages: their format hash is in the identity.
constexpr std::string_view kPurpose = "scoutfs wire 1";
constexpr std::size_t kKeySize = 32;
constexpr const char* kPriority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-KX-ALL:+ECDHE-PSK";

gnutls_datum_t datum_of(std::string_view bytes) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data())),
          static_cast<unsigned>(bytes.size())};
}

void must(int status) {
  SCOUTFS_ASSERT(status >= 0);
}

}  // namespace

TlsKey derive_tls_key(Fsid fsid, std::uint64_t format_hash, std::string_view secret) {
  const std::string salt = fmt::format("{:016x}", fsid.value);
  const gnutls_datum_t secret_bytes = datum_of(secret);
  const gnutls_datum_t salt_bytes = datum_of(salt);
  const gnutls_datum_t purpose = datum_of(kPurpose);
  std::array<char, kKeySize> extracted{};
  must(gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &secret_bytes, &salt_bytes, extracted.data()));
  const gnutls_datum_t extracted_bytes = datum_of({extracted.data(), extracted.size()});
  TlsKey out;
  out.identity = fmt::format("{:016x} {:016x}", fsid.value, format_hash);
  out.key.resize(kKeySize);
  must(gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &extracted_bytes, &purpose, out.key.data(),
                          out.key.size()));
  return out;
}

struct TlsSession::Credentials {
  Credentials(Role role, const TlsKey& shared) : key(shared) {
    if (role == Role::connecting) {
      must(gnutls_psk_allocate_client_credentials(&client));
      const gnutls_datum_t secret = datum_of(key.key);
      must(gnutls_psk_set_client_credentials(client, key.identity.c_str(), &secret,
                                             GNUTLS_PSK_KEY_RAW));
    } else {
      must(gnutls_psk_allocate_server_credentials(&server));
      gnutls_psk_set_server_credentials_function(server, look_up);
    }
  }
  ~Credentials() {
    if (client != nullptr) gnutls_psk_free_client_credentials(client);
    if (server != nullptr) gnutls_psk_free_server_credentials(server);
  }
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  static int look_up(gnutls_session_t session, const char* identity, gnutls_datum_t* out) {
    auto* self = static_cast<Credentials*>(gnutls_session_get_ptr(session));
    if (self->key.identity != identity) {
      self->stranger = std::string(identity).substr(0, 64);
      return -1;
    }
    // The library frees it.
    out->data = static_cast<unsigned char*>(gnutls_malloc(self->key.key.size()));
    if (out->data == nullptr) return -1;
    std::memcpy(out->data, self->key.key.data(), self->key.key.size());
    out->size = static_cast<unsigned>(self->key.key.size());
    return 0;
  }

  TlsKey key;
  std::string stranger;  // the identity that a peer of another volume gave
  gnutls_psk_client_credentials_t client = nullptr;
  gnutls_psk_server_credentials_t server = nullptr;
};

TlsSession::TlsSession(int socket, Role role, const TlsKey& key)
    : credentials_(std::make_unique<Credentials>(role, key)) {
  const unsigned end = role == Role::connecting ? GNUTLS_CLIENT : GNUTLS_SERVER;
  must(gnutls_init(&session_, end | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS));
  gnutls_session_set_ptr(session_, credentials_.get());
  must(gnutls_priority_set_direct(session_, kPriority, nullptr));
  void* credentials = role == Role::connecting ? static_cast<void*>(credentials_->client)
                                               : static_cast<void*>(credentials_->server);
  must(gnutls_credentials_set(session_, GNUTLS_CRD_PSK, credentials));
  gnutls_transport_set_int(session_, socket);
  // Whoever waits for the end of the handshake has a deadline of its own.
  gnutls_handshake_set_timeout(session_, GNUTLS_INDEFINITE_TIMEOUT);
}

TlsSession::~TlsSession() {
  gnutls_deinit(session_);
}

TlsSession::Step TlsSession::step_of(long status) {
  if (status >= 0) return Step::done;
  if (status == GNUTLS_E_AGAIN || status == GNUTLS_E_INTERRUPTED) {
    return gnutls_record_get_direction(session_) == 0 ? Step::wants_read : Step::wants_write;
  }
  if (status == GNUTLS_E_PREMATURE_TERMINATION) {
    why_ = "it was cut off";
  } else if (!credentials_->stranger.empty()) {
    why_ = fmt::format("it is of the volume and format hash {}, this node of {}",
                       credentials_->stranger, credentials_->key.identity);
  } else if (status == GNUTLS_E_DECRYPTION_FAILED ||
             status == GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER) {
    why_ = "it does not know this volume's secret";
  } else if (status == GNUTLS_E_FATAL_ALERT_RECEIVED) {
    why_ = fmt::format("it refused ({})", gnutls_alert_get_name(gnutls_alert_get(session_)));
  } else {
    why_ = gnutls_strerror(static_cast<int>(status));
  }
  return Step::failed;
}

TlsSession::Step TlsSession::handshake() {
  int status = gnutls_handshake(session_);
  while (status < 0 && status != GNUTLS_E_AGAIN && gnutls_error_is_fatal(status) == 0) {
    status = gnutls_handshake(session_);
  }
  if (status == GNUTLS_E_PREMATURE_TERMINATION || status == GNUTLS_E_PULL_ERROR) {
    why_ = "it was cut off while it proved that it knows the volume's secret";
    return Step::failed;
  }
  const Step step = step_of(status);
  // The peer is told why, if it listens.
  if (step == Step::failed) gnutls_alert_send_appropriate(session_, status);
  return step;
}

TlsSession::Step TlsSession::receive(std::span<char> out, std::size_t& size) {
  SCOUTFS_ASSERT(out.size() >= kRecordMax);
  ssize_t status = gnutls_record_recv(session_, out.data(), out.size());
  while (status < 0 && status != GNUTLS_E_AGAIN &&
         gnutls_error_is_fatal(static_cast<int>(status)) == 0) {
    status = gnutls_record_recv(session_, out.data(), out.size());
  }
  if (status == 0) return Step::ended;
  const Step step = step_of(status);
  if (step == Step::done) size = static_cast<std::size_t>(status);
  return step;
}

TlsSession::Step TlsSession::send(std::string_view bytes, std::size_t& size) {
  ssize_t status = gnutls_record_send(session_, bytes.data(), bytes.size());
  while (status == GNUTLS_E_INTERRUPTED) {
    status = gnutls_record_send(session_, bytes.data(), bytes.size());
  }
  const Step step = step_of(status);
  if (step == Step::done) size = static_cast<std::size_t>(status);
  return step;
}

void TlsSession::end() {
  gnutls_bye(session_, GNUTLS_SHUT_WR);
}

}  // namespace scoutfs::node
