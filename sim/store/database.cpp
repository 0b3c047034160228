#include "sim/store/database.hpp"

#include <fmt/core.h>
#include <sqlite3.h>

namespace scoutfs::sim {

Database::Database(std::string path, Mode mode, int busy_ms) : path_(std::move(path)) {
  const int flags = mode == Mode::read     ? SQLITE_OPEN_READONLY
                    : mode == Mode::create ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                                           : SQLITE_OPEN_READWRITE;
  if (sqlite3_open_v2(path_.c_str(), &handle_, flags, nullptr) != SQLITE_OK) {
    const std::string what = handle_ == nullptr ? "no memory" : sqlite3_errmsg(handle_);
    sqlite3_close(handle_);
    throw StoreError(fmt::format("{}: {}", path_, what));
  }
  sqlite3_busy_timeout(handle_, busy_ms);
}

Database::~Database() {
  sqlite3_close(handle_);
}

void Database::fail(const std::string& what) const {
  throw StoreError(fmt::format("{}: {}", path_, what));
}

void Database::fail_as_sqlite_says() const {
  fail(sqlite3_errcode(handle_) == SQLITE_NOTADB ? "not a run store, nor any SQLite database"
                                                 : sqlite3_errmsg(handle_));
}

void Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    fail_as_sqlite_says();
  }
}

std::int64_t Database::pragma(const std::string& name) {
  Statement statement(*this, "PRAGMA " + name);
  return statement.step() ? statement.integer(0) : 0;
}

std::int64_t Database::last_row() const {
  return sqlite3_last_insert_rowid(handle_);
}

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  if (sqlite3_prepare_v2(database_.handle_, sql.data(), static_cast<int>(sql.size()),
                         &statement_, nullptr) != SQLITE_OK) {
    database_.fail_as_sqlite_says();
  }
}

Statement::~Statement() {
  sqlite3_finalize(statement_);
}

Statement& Statement::bind(int parameter, std::int64_t value) {
  if (sqlite3_bind_int64(statement_, parameter, value) != SQLITE_OK)
    database_.fail_as_sqlite_says();
  return *this;
}

Statement& Statement::bind(int parameter, std::string_view text) {
  if (sqlite3_bind_text64(statement_, parameter, text.data(), text.size(), SQLITE_TRANSIENT,
                          SQLITE_UTF8) != SQLITE_OK) {
    database_.fail_as_sqlite_says();
  }
  return *this;
}

Statement& Statement::bind_null(int parameter) {
  if (sqlite3_bind_null(statement_, parameter) != SQLITE_OK) database_.fail_as_sqlite_says();
  return *this;
}

Statement& Statement::bind_blob(int parameter, std::string_view bytes) {
  if (sqlite3_bind_blob64(statement_, parameter, bytes.data(), bytes.size(),
                          SQLITE_TRANSIENT) != SQLITE_OK) {
    database_.fail_as_sqlite_says();
  }
  return *this;
}

bool Statement::step() {
  const int outcome = sqlite3_step(statement_);
  if (outcome == SQLITE_ROW) return true;
  if (outcome != SQLITE_DONE) {
    sqlite3_reset(statement_);
    database_.fail_as_sqlite_says();
  }
  sqlite3_reset(statement_);
  return false;
}

void Statement::run() {
  while (step()) {
  }
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Statement::text(int column) const {
  const void* const bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (bytes == nullptr) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.execute("ROLLBACK");
  } catch (const StoreError&) {
    // Whatever made the transaction fail is on its way up and says more.
  }
}

void Transaction::commit() {
  database_.execute("COMMIT");
  open_ = false;
}

}  // namespace scoutfs::sim
