// Work inside another network namespace, in a thread of its own, so that the caller never leaves its own.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"
#include "exposure/ports/processes.hpp"

namespace clawql::exposure::ports {

// Runs `work` in the namespace; the error says why it could not be entered ("" paths: it vanished).
Status in_space(const SpaceSeen& space, std::uint64_t inode, const std::function<void()>& work);
// How the namespace is called in reports and in the expected state.
std::string label_of(const SpaceSeen& space, std::uint64_t inode, const std::string& proc);

}  // namespace clawql::exposure::ports
