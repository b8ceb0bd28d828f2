package room

// dropDuplicates accepts a resent message only once. Set it to false to check that the tests
// of the guarantees find duplicates.
const dropDuplicates = true
