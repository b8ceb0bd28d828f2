// Package packagetest makes a release for linux/amd64, twice, and uses it as people do: it
// installs, upgrades and removes the Debian package with dpkg, beside ppp's, whose
// /usr/sbin/chat has the same name, and runs the program in the root that the Containerfile
// describes.
//
// The packages are installed in a copy of this machine's root: an overlay in a mount
// namespace, with a network of its own. It needs Linux on amd64, root, Debian and
// libarchive-tools. Without them tests are skipped or, with CI=true, fail.
//
// The release is that of the last commit: changes that are not committed are not tested.
package packagetest
