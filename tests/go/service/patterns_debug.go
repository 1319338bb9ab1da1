//go:build go1.22

//go:debug httpmuxgo121=0

// The module says go 1.18, for which newer versions would turn patterns off.
package main
