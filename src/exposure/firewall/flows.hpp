// Rows of flows: as packets come in, put together, and made fewer.
#pragma once

#include "exposure/firewall/packet.hpp"

namespace clawql::exposure::firewall {

// Packets of this box as they come in: nothing is known to conntrack yet, but (`state`) what this host sent to itself
// by lo. Sources that no router delivers (0.0.0.0/8, loopback and multicast ones from outside) are left out.
Flows arriving(const Box& box, Family family, State state = State::fresh);

// Fewer flows that are the same set: contained ones leave out, ones that differ in one field become one. Flows of
// different origin (let_in_by) stay apart.
void tidy(Flows& flows);

void append(Flows& to, Flows&& from);
IntervalSet only(State state);

}  // namespace clawql::exposure::firewall
