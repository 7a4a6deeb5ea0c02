package coconut

import "github.com/copra-video/copra/job"

type nodesBody struct {
	Nodes []nodeBody `json:"nodes"`
}

type nodeBody struct {
	ID      string `json:"id"`
	Alive   bool   `json:"alive"`
	Running int    `json:"running"` // jobs
	Slots   *int   `json:"slots"`   // null: not known
	// Encoders are those of cards that work; empty: it encodes in software.
	Encoders  []string `json:"encoders"`
	Version   string   `json:"version"`
	StartedAt string   `json:"started_at"`
	SeenAt    string   `json:"seen_at"`
}

// EncodeNodes encodes the worker processes.
func EncodeNodes(nodes []job.Node) []byte {
	b := nodesBody{Nodes: make([]nodeBody, 0, len(nodes))}
	for _, n := range nodes {
		e := nodeBody{ID: n.ID, Alive: n.Alive, Running: n.Running, Version: n.Version, StartedAt: timestamp(n.StartedAt), SeenAt: timestamp(n.SeenAt), Encoders: append([]string{}, n.Encoders...)}
		if n.Slots > 0 {
			e.Slots = &n.Slots
		}
		b.Nodes = append(b.Nodes, e)
	}
	return encode(b)
}
