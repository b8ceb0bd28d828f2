package history

// waitForDisk means that an event is published only after it is on disk.
const waitForDisk = true
