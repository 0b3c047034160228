# One folder, one static library; one folder of tests, one test program.

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(absl REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
# For nbd/ and node/ alone.
pkg_check_modules(LIBNBD REQUIRED IMPORTED_TARGET GLOBAL libnbd)
pkg_check_modules(FUSE3 REQUIRED IMPORTED_TARGET GLOBAL fuse3)
pkg_check_modules(LIBISCSI REQUIRED IMPORTED_TARGET GLOBAL libiscsi)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET GLOBAL gnutls)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET GLOBAL prometheus-cpp-pull)

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

# The test programs that are also built and run with sanitizers: `cmake --build --target sanitized`,
# `ctest -L sanitized`.
add_custom_target(sanitized)

# scoutfs_test(FOLDER LABEL [SANITIZED] [DEPENDS lib...]): tests/LABEL/FOLDER/*.cpp as one program,
# registered with ctest as LABEL/FOLDER.
function(scoutfs_test folder label)
  cmake_parse_arguments(ARG "SANITIZED" "" "DEPENDS" ${ARGN})
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
  set(labels ${label})
  if(ARG_SANITIZED)
    list(APPEND labels sanitized)
    add_dependencies(sanitized ${name})
  endif()
  set_tests_properties(${label}/${folder} PROPERTIES LABELS "${labels}" TIMEOUT 600)
endfunction()

# scoutfs_link_test(FOLDER): a program of the whole library of engine/FOLDER and what it says it
# depends on, and nothing else. A use of a folder that is not among the dependencies does not link.
function(scoutfs_link_test folder)
  set(library scoutfs_${folder})
  set(name link_${folder})
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
       ${CMAKE_SOURCE_DIR}/engine/${folder}/*.hpp)
  set(text "")
  foreach(header ${headers})
    string(APPEND text "#include \"${header}\"\n")
  endforeach()
  file(CONFIGURE OUTPUT ${source} CONTENT "${text}int main() {}\n")
  add_executable(${name} ${source})
  get_target_property(type ${library} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    target_link_libraries(${name} PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,${library}>)
  else()
    target_link_libraries(${name} PRIVATE ${library})
  endif()
  add_test(NAME link/${folder} COMMAND ${name})
  set_tests_properties(link/${folder} PROPERTIES LABELS unit TIMEOUT 60)
endfunction()
