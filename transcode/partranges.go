package transcode

// open are the arguments that open the file of a part a little before its range.
func (s *partSource) open() []string {
	var args []string
	if s.early > 0 {
		args = append(args, "-ss", seconds(s.early))
	}
	if !s.still && (s.Length > 0 || s.early > 0) {
		args = append(args, "-t", seconds(s.Offset-s.early+s.length+joinEarly))
	}
	return append(args, "-i", s.Name)
}

// skip are the filters that leave out what was decoded more than keep seconds before the
// range; trim and setpts are FFmpeg's filters for that.
func (s *partSource) skip(trim, setpts string, keep float64) []string {
	if s.Offset <= s.early {
		return nil
	}
	from := s.Offset - s.early
	return []string{trim + "=start=" + seconds(max(0, from-keep)), setpts + "=PTS-" + seconds(from) + "/TB"}
}

// onScreen is for how many seconds before the range a frame may have begun that is on
// screen when it begins. FFmpeg's filter fps takes the last one that is due by then.
func (s *partSource) onScreen() float64 {
	const rounded = 0.001 // times are in milliseconds
	if gap := s.longestGap(); gap > 0 {
		return gap + rounded
	}
	return slowGap
}
