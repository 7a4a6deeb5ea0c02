package coconut

import (
	"strings"

	"github.com/copra-video/copra/job"
)

// The bounds of a job's own metadata, which is an addition of Copra.
const (
	maxMetadata      = 20  // members
	maxMetadataName  = 40  // bytes
	maxMetadataValue = 500 // bytes
)

// metadata decodes what the customer notes at a job. A colon cannot be part of a
// name, since it ends the name in a query.
func (d *decoder) metadata(v *value) map[string]string {
	if v == nil {
		return nil
	}
	if !v.isHash() {
		d.refuse(job.MetadataNotValid, "The job 'metadata' is not a valid object: got %s, expected a hash of texts, such as {\"order\": \"4711\"}.", v.describe())
		return nil
	}
	if len(v.members) > maxMetadata {
		d.refuse(job.MetadataNotValid, "The job 'metadata' has %d members, at most %d are accepted.", len(v.members), maxMetadata)
		return nil
	}
	noted := map[string]string{}
	for _, m := range v.members {
		switch {
		case m.value.kind == kindNull:
			continue
		case m.name == "" || len(m.name) > maxMetadataName || strings.Trim(m.name, metadataNames) != "":
			d.refuse(job.MetadataNotValid, "The job 'metadata' has the name %s: expected at most %d letters, digits, '_', '-' and '.'.", quote(m.name), maxMetadataName)
		case m.value.kind == kindList || m.value.kind == kindHash:
			d.refuse(job.MetadataNotValid, "The job 'metadata.%s' is not valid: got %s, expected a text.", m.name, m.value.describe())
		case len(m.value.text) > maxMetadataValue || hasControl(m.value.text):
			d.refuse(job.MetadataNotValid, "The job 'metadata.%s' is not valid: expected at most %d bytes without control characters.", m.name, maxMetadataValue)
		default:
			noted[m.name] = m.value.text
		}
	}
	if len(noted) == 0 {
		return nil
	}
	return noted
}

// metadataNames are the characters of names.
const metadataNames = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
