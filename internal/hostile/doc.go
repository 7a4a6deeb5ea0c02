// Package hostile bounds the cost of damaged and malicious media. It takes real
// clips of every kind of container, cut off and damaged at many points, and
// decompression bombs, through the steps of a job from the probe to the verified
// file. It uses the packages of the worker, and the sandbox of a server. Each
// input must end in a valid output or in a plain error message, within bounds on
// time, memory and disk.
package hostile
