package console

import (
	"net/http"

	"github.com/copra-video/copra/job"
)

func (c *console) systemPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	nodes, err := c.Store.Nodes(r.Context(), c.StaleAfter)
	if err != nil {
		return err
	}
	c.show(w, r, http.StatusOK, "system", v, "System", struct {
		Findings []Finding
		Nodes    []job.Node
		Queue    bool
	}{c.System(r.Context()), nodes, c.Queue != nil})
	return nil
}
