# One folder, one static library; one folder of tests, one test program.

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(absl REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

# scoutfs_library(NAME [DEPENDS lib...]): every .cpp of the folder, and what it may include.
function(scoutfs_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC ${ARG_DEPENDS})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${ARG_DEPENDS})
  endif()
endfunction()

# scoutfs_test(FOLDER LABEL [DEPENDS lib...]): tests/LABEL/FOLDER/*.cpp as one program, registered
# with ctest as LABEL/FOLDER.
function(scoutfs_test folder label)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${label}/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  set(name test_${label}_${folder})
  add_executable(${name} ${sources} ${CMAKE_SOURCE_DIR}/tests/main.cpp)
  target_compile_definitions(${name} PRIVATE BOOST_TEST_DYN_LINK SCOUTFS_SUITE="${label}_${folder}")
  target_precompile_headers(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/test.hpp)
  # It names the module before it includes Boost.Test, which makes main() there and only there.
  set_source_files_properties(${CMAKE_SOURCE_DIR}/tests/main.cpp PROPERTIES
                              SKIP_PRECOMPILE_HEADERS ON)
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} boost_unit_test_framework rapidcheck)
  add_test(NAME ${label}/${folder} COMMAND ${name} --log_level=test_suite)
  set_tests_properties(${label}/${folder} PROPERTIES LABELS ${label} TIMEOUT 600)
endfunction()
