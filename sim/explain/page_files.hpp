// The files of page/, embedded by the build (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace scoutfs::sim::page_files {

extern const std::string_view index_html, style_css, model_js, story_js, diagram_js, app_js;

}  // namespace scoutfs::sim::page_files
