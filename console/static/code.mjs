// Code that sends a request: curl, Coconut's own clients with another endpoint, and
// Copra's for Go. The request is in each as it was typed, so nothing is lost on the way.

/** A line that is none of the text's, to end it. */
function delimiter(text, word) {
  let d = word;
  for (let n = 1; text.includes(d); n++) d = `${word}_${n}`;
  return d;
}

/** A raw string of Python. JSON has no three quotes in a row, but a text in it may have apostrophes. */
function python(text) {
  for (const quote of ["'''", '"""']) {
    if (!text.includes(quote) && !text.endsWith(quote[0]) && !text.endsWith('\\')) return `r${quote}${text}${quote}`;
  }
  return JSON.stringify(text);
}

/** A raw string of Go, in which there is no backquote. */
const go = (text) => '`' + text.replaceAll('`', '` + "`" + `') + '`';

/** The languages with their code for a request to the API at an address. */
export function snippets(api, request) {
  const sh = delimiter(request, 'EOF');
  const json = delimiter(request, 'JSON');
  return {
    curl: `curl ${api}/jobs -u "$COPRA_API_KEY:" -H 'Content-Type: application/json' --data-binary @- <<'${sh}'
${request}
${sh}
`,
    PHP: `<?php
// composer require opencoconut/coconut
require 'vendor/autoload.php';

$coconut = new Coconut\\Client(getenv('COPRA_API_KEY'), ['endpoint' => '${api}']);
$job = $coconut->job->create(json_decode(<<<'${json}'
${request}
${json}
, true));
echo $job->id, "\\n";
`,
    Ruby: `# gem install coconutrb
require 'coconutrb'
require 'json'

Coconut.api_key = ENV['COPRA_API_KEY']
Coconut.endpoint = '${api}'
job = Coconut::Job.create(JSON.parse(<<'${json}'))
${request}
${json}
puts job.id
`,
    Node: `// npm install coconutjs
const Coconut = require('coconutjs');

const coconut = new Coconut.Client(process.env.COPRA_API_KEY, { endpoint: '${api}' });
coconut.Job.create(${request}, (job, err) => {
  if (err) throw err;
  console.log(job.id);
});
`,
    Python: `# pip install coconutpy
import json
import os

import coconut

coconut.api_key = os.environ['COPRA_API_KEY']
coconut.endpoint = '${api}'
job = coconut.Job.create(json.loads(${python(request)}))
print(job['id'])
`,
    Go: `// go get github.com/copra-video/copra/client
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/copra-video/copra/client"
)

const request = ${go(request)}

func main() {
	c, err := client.New(client.Options{BaseURL: "${api}", APIKey: os.Getenv("COPRA_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	job, err := c.CreateJobJSON(context.Background(), []byte(request), "")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.ID)
}
`,
  };
}
