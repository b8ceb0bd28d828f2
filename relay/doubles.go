package relay

// dropsDoubles means that a message whose number the host has already accepted is
// acknowledged again and not added to the log again.
const dropsDoubles = true
