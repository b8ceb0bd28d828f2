package room

// dropDuplicates has a client's message that it sends again accepted once only. It is
// false only in a build that proves that scripts/chaos finds duplicates.
const dropDuplicates = true
