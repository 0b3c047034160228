# cmake -DOUTPUT=FILE.cpp -DFILES="A;B" -P embed.cmake: the files as constants, by their names.
set(text "#include \"sim/explain/page_files.hpp\"\n\nnamespace scoutfs::sim::page_files {\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  string(REPLACE "." "_" name ${name})
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND text "constexpr char ${name}_bytes[] = {${bytes}};\n"
                     "const std::string_view ${name}{${name}_bytes, sizeof ${name}_bytes};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}}  // namespace scoutfs::sim::page_files\n")
