// Log lines in a file, and the error codes of the system.
#include "node/loop/log_sink.hpp"

#include <cerrno>
#include <fstream>

#include "node/errno.hpp"
#include "tests/support/node_files.hpp"
#include "tests/test.hpp"

namespace scoutfs::node {
namespace {

BOOST_AUTO_TEST_SUITE(log_sink)

BOOST_AUTO_TEST_CASE(lines_have_a_time_and_a_level_and_cannot_be_forged) {
  testing::TemporaryDirectory directory;
  auto log = LogSink::to_file(LogLevel::info, directory.file("log"));
  BOOST_REQUIRE(log.has_value());
  log->debug("not this {}", 1);
  log->warn("peer said {}", "a\nb");
  log->error("last");
  std::ifstream in(directory.file("log"));
  std::string line;
  BOOST_TEST(static_cast<bool>(std::getline(in, line)));
  BOOST_TEST(line.substr(24) == " warning: peer said a\\x0ab");
  BOOST_TEST(line[10] == 'T');
  BOOST_TEST(line[23] == 'Z');
  BOOST_TEST(static_cast<bool>(std::getline(in, line)));
  BOOST_TEST(line.substr(24) == " error: last");
  BOOST_TEST(!std::getline(in, line));
}

BOOST_AUTO_TEST_CASE(levels_have_names) {
  BOOST_TEST((parse_log_level("warning").value() == LogLevel::warning));
  BOOST_TEST(failed_with(parse_log_level("loud"), Errc::invalid));
  BOOST_TEST(!LogSink::to_file(LogLevel::info, "/nonexistent/log").has_value());
}

BOOST_AUTO_TEST_CASE(every_error_is_an_errno) {
  for (int code = 0; code <= static_cast<int>(Errc::busy); ++code) {
    BOOST_TEST(to_errno(static_cast<Errc>(code)) > 0);
  }
  BOOST_TEST(to_errno(Errc::interrupted) == EINTR);
  BOOST_TEST(to_errno(Errc::no_attribute) == ENODATA);
  BOOST_TEST(to_errno(Errc::fenced) == EIO);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace scoutfs::node
