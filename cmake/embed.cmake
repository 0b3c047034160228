# cmake -DOUTPUT=FILE.cpp -DHEADER=FOLDER/FILE.hpp -DNAMESPACE=NAME -DFILES="A;B" -P embed.cmake:
# the files as constants of scoutfs::sim::NAME, by their names, with _ for whatever is no letter.
set(text "#include \"${HEADER}\"\n\nnamespace scoutfs::sim::${NAMESPACE} {\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  string(REGEX REPLACE "[.-]" "_" name ${name})
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND text "constexpr char ${name}_bytes[] = {${bytes}};\n"
                     "const std::string_view ${name}{${name}_bytes, sizeof ${name}_bytes};\n")
endforeach()
file(WRITE ${OUTPUT} "${text}}  // namespace scoutfs::sim::${NAMESPACE}\n")
