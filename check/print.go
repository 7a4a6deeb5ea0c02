package check

import (
	"fmt"
	"io"
)

// shown is how many findings of a rule are printed.
const shown = 5

// Print writes a report as text.
func (r Report) Print(w io.Writer) {
	fmt.Fprintf(w, "%s (%s)\n", r.Address, r.Kind)
	marks := map[Status]string{Pass: "ok", Fail: "FAIL", NotApplicable: "-"}
	for _, res := range r.Results {
		fmt.Fprintf(w, "%-5s%-6s%s\n", marks[res.Status], res.Rule, res.Text)
		for i, f := range res.Findings {
			if i == shown {
				fmt.Fprintf(w, "           and %d more\n", len(res.Findings)-shown)
				break
			}
			fmt.Fprintf(w, "           %s: %s\n", f.Where, f.What)
		}
	}
	fmt.Fprintf(w, "%d rules hold, %d are broken, %d do not apply\n", r.Passed, r.Failed, len(r.Results)-r.Passed-r.Failed)
}
