// The main program of every test program; the suite's name comes from the build.
#define BOOST_TEST_MODULE SCOUTFS_SUITE
#include <boost/test/unit_test.hpp>
