package room

// dropDuplicates has a message that its client sends again accepted only once. It is a
// constant of its own so that a test can prove that it finds duplicates.
const dropDuplicates = true
