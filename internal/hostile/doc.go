// Package hostile holds what damaged and malicious media may cost: it takes real
// clips of every kind of container, cut off and damaged at many points, and bombs,
// the way of a job from the probe to the verified file, by the packages that the
// worker uses, confined as in a server. Each must end in a valid output or in a
// plain sentence, within bounds on time, memory and disk.
package hostile
