// Package files stores the files that members send to the room: in a temporary folder that
// the host deletes at its end, or in a folder that stays.
//
// A file arrives as an [Upload], in one piece or several, over as many connections as it
// takes. Once it is complete and its checksum matches, it waits under the upload's ID, a
// secret between sender and host, until [Store.Publish] gives everyone access to it by its
// number. An upload that is neither continued nor published for a while is deleted.
//
// In the folder a file is called NUMBER-NAME, and its upload ID.part. A folder that stays also
// has an index of its files (see index), and an ID.upload for each upload that another run of
// the host can continue (see uploadState). Other files in the folder are left alone.
//
// An upload has one holder at a time, usually an HTTP request. The next one cuts it off and
// continues from the bytes on disk: more often than not, the connection of the earlier one is
// broken and the host has not noticed yet.
package files
