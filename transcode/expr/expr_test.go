package expr

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var vars = Vars{
	"input.width": 1280, "input.height": 720, "input.fps": 29.97, "input.ifps": int64(29), "input.duration": 30,
	"input.mime_type": "video/mp4", "input.video_codec": "h264", "input.is_hd": true, "input.is_audio_only": false,
	"input.rotation": nil, "input.file_size": json.Number("2299653"),
	"input.metadata.format.bit_rate":        "1222813",
	"input.metadata.format.tags.com-maker:": "x",
	"input.metadata.streams.0.width":        1280,
}

func TestEval(t *testing.T) {
	tests := []struct {
		in   string
		want any
	}{
		// coconut-v2.md section 5.6.
		{"{% input.width / 2 %}x", "640x"},
		{"{% array(1, input.duration / 3) %}", []any{1.0, 10.0}},
		{"{% max(input.width, 2000) %}k", "2000k"},
		{"{% input.width / 2 %}:{% input.height - 80 %}", "640:640"},

		{"", ""},
		{"/path/%02d.jpg", "/path/%02d.jpg"},
		{"100 % of } this { text %}", "100 % of } this { text %}"},
		{"/{{ input.video_codec }}/{{input.width}}.mp4", "/h264/1280.mp4"},
		{"{{ input.is_hd }}", "true"},
		{"{{ input.fps }}fps", "29.97fps"},
		{"{{ input.file_size }}", "2299653"},
		{"{{ input.metadata.format.bit_rate }}", "1222813"},
		{"{{ input.metadata.format.tags.com-maker: }}", "x"},
		{"{{ input.metadata.streams[0].width }}", "1280"},
		{"{% input.metadata.streams[0].width + 1 %}", "1281"},
		{"{% input.metadata.format.bit_rate / 1000 %}", "1222.813"},
		{"{%1+2*3%}", "7"},
		{"{% (1 + 2) * 3 %}", "9"},
		{"{% 10 - 4 - 3 %}", "3"},
		{"{% 12 / 3 / 2 %}", "2"},
		{"{% -2 * -3 %}", "6"},
		{"{% 2 - -3 %}", "5"},
		{"{% - 0 %}", "0"},
		{"{% .5 + 1. %}", "1.5"},
		{"{% 1 / 3 %}", "0.3333333333333333"},
		{"{% int(2.7) %}{% int(-2.7) %}{% int('12') %}", "2-212"},
		{"{% float('1.50') %}", "1.5"},
		{"{% MIN(3, 1, 2) %} {% max(3) %}", "1 3"},
		{"{% if(input.width > 1000, 'big', \"small\") %}", "big"},
		{"{% if(input.width = 0, 0, 10 / input.width) %}", "0.0078125"},
		{"{% if(true, 1, 1 / 0) %}", "1"},
		{`{% 'it\'s 50 %} \\ \"' %}`, `it's 50 %} \ "`},
		{"{% '%}' %}", "%}"},
		{"{% {{ input.width }} / 2 %}", "640"},
		{"{% 1 < 2 %}", "true"},
		{"{% if(input.is_hd, array(1), 2) %}", []any{1.0}},
		{"{% array() %}", []any{}},
		{"{% array('a', true, 1.5) %}", []any{"a", true, 1.5}},
	}
	for _, tt := range tests {
		got, err := Eval(tt.in, vars)
		if err != nil {
			t.Errorf("Eval(%q): %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Eval(%q) (-want +got):\n%s", tt.in, diff)
		}
		if err := Check(tt.in); err != nil {
			t.Errorf("Check(%q): %v", tt.in, err)
		}
	}
}

func TestCondition(t *testing.T) {
	tests := map[string]bool{
		// coconut-v2.md section 5.5 and the recipe of 5.2.
		"{{ input.width }} >= 1280 AND {{ input.width }} < 1980": true,
		"{{ input.width }} >= 3840":                              false,

		"":                    true,
		"  ":                  true,
		"input.width = 1280":  true,
		"input.width == 1280": true,
		"input.width <> 1280": false,
		"input.width != 1280": false,
		"input.width<=1280":   true,
		"input.width > 1280":  false,
		"{{ input.is_hd }}":   true,
		"not {{input.is_hd}}": false,
		"NOT input.is_audio_only and input.is_hd": true,
		"NOT input.width = 1":                     true, // NOT is weaker than =
		"true or false and false":                 true, // AND is stronger than OR
		"(true or false) and false":               false,
		"input.video_codec = 'h264'":              true,
		`"h265" <> {{ input.video_codec }}`:       true,
		"input.video_codec = 264":                 false,
		"'abc' < 'abd'":                           true,
		"'10' > '9'":                              true, // texts that are numbers compare as numbers
		"input.metadata.format.bit_rate > 5000":   true,
		"input.is_hd = true":                      true,
		"input.is_hd = 'true'":                    true,
		"input.is_hd = 1":                         true,
		"input.is_hd <> 'h264'":                   true,
		"input.width + 1 > 1280":                  true,
		"{% input.width / 2 %} = 640":             true,
		"false AND 1/0 = 1":                       false,
		"true OR unknown = 1":                     true,
		"max(input.width, 2) > 2":                 true,
		"'inf' = 'inf'":                           true,
		"5":                                       true,
		"0":                                       false,
		"'true'":                                  true,
		"NOT NOT True":                            true,
	}
	for in, want := range tests {
		got, err := Condition(in, vars)
		if err != nil || got != want {
			t.Errorf("Condition(%q) = %v, %v, want %v", in, got, err, want)
		}
		if err := CheckCondition(in); err != nil {
			t.Errorf("CheckCondition(%q): %v", in, err)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	tests := []struct {
		in   string
		want string
	}{
		{"a{{ input.width", `character 2: "{{" without "}}"`},
		{"{{ }}", `character 1: "" is no variable name`},
		{"{{ input.width / 2 }}", `"input.width / 2" is no variable name: expected one such as {{ input.width }}; math is written {% ... %}`},
		{"é{% 1 + 2", `character 2: "{%" without "%}"`},
		{"{%  %}", `character 5: unexpected "%}": expected a number, a quoted text, a variable, a function or (`},
		{"{% 1 + %}", `character 8: unexpected "%}": expected a number`},
		{"{% 1 2 %}", `character 6: unexpected "2": expected an operator or "%}"`},
		{"{% (1 %}", `character 7: unexpected "%}": expected an operator or )`},
		{"{% 1) %}", `character 5: unexpected ")": expected an operator or "%}"`},
		{"{% 'a %}", "character 4: the text has no closing '"},
		{"{% 1.2.3 %}", `"1.2.3" is no number`},
		{"{% 12px %}", `"12px" is no number`},
		{"{% 1 & 2 %}", `character 6: unexpected "&"`},
		{"{% 1 % 2 %}", `character 6: unexpected "%"`},
		{"{% sqrt(2) %}", `"sqrt" is no function: expected one of min, max, int, float, array, if`},
		{"{% if(1, 2) %}", "if has 2 values: expected if(condition, a, b)"},
		{"{% int() %}", "int has 0 values: expected int(a)"},
		{"{% min() %}", "min has 0 values"},
		{"{% max(1 2) %}", `unexpected "2": expected an operator, a comma or )`},
		{"{% max(1,) %}", `unexpected ")": expected a number`},
		{"{% max %}", "max is a function: expected max(...)"},
		{"{% 1 < 2 < 3 %}", "comparisons cannot be chained"},
		{"{% and 1 %}", `unexpected "and": expected a number`},
		{"{% 99999999999999999999 %}", "the number is too large"},
		{"{% " + strings.Repeat("(", 100) + " %}", "nested too deeply"},
		{"{% " + strings.Repeat("-", 100) + "1 %}", "nested too deeply"},
		{"{% " + strings.Repeat("not ", 100) + "1 %}", "nested too deeply"},
		{"{% " + strings.Repeat("int(", 100) + " %}", "nested too deeply"},
		{"{% " + strings.Repeat("{% ", 100) + " %}", "nested too deeply"},
		{strings.Repeat("{{ a }}", 1000), "7000 bytes long, at most 4096"},
	}
	for _, tt := range tests {
		err := Check(tt.in)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Check(%.40q) = %v, want %q", tt.in, err, tt.want)
		}
		if _, err := Eval(tt.in, vars); err == nil {
			t.Errorf("Eval(%.40q) has no error", tt.in)
		}
	}
	for in, want := range map[string]string{
		"{{ input.width }} >=":     "character 21: unexpected the end: expected a number",
		"input.width >= 5 6":       `unexpected "6": expected an operator`,
		"input.width = 'a' 'b'":    `unexpected the text "b"`,
		"input.width {{ a }}":      "unexpected {{ a }}",
		"1 %}":                     `unexpected "%}"`,
		"{% 1":                     `"{%" without "%}"`,
		"input.width => 5":         `unexpected ">"`,
		"input.width && 5":         `unexpected "&"`,
		strings.Repeat("1+", 4000): "at most 4096",
	} {
		err := CheckCondition(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckCondition(%.40q) = %v, want %q", in, err, want)
		}
		if ok, err := Condition(in, vars); ok || err == nil {
			t.Errorf("Condition(%.40q) = %v, %v", in, ok, err)
		}
	}
}

func TestEvalErrors(t *testing.T) {
	tests := []struct{ in, want string }{
		{"{{ input.wdith }}", `unknown variable "input.wdith": known are input.duration, input.file_size, input.fps, input.height,`},
		{"{{ input.wdith }}", "input.width, input.metadata..."},
		{"{% h264 %}", `unknown variable "h264" (a text needs quotes)`},
		{"{{ input.rotation }}", "input.rotation has no value for this input"},
		{"{% 1 / (input.width - 1280) %}", "division by zero"},
		{"{% 1 / 0 %}", "division by zero"},
		{"{% input.video_codec * 2 %}", `the text "h264" is no number`},
		{"{% input.is_hd + 1 %}", "true is no number"},
		{"{% array(1) + 1 %}", "an array is no number"},
		{"{% 999999999 * 999999999 %}", "too large"},
		{"x{% array(1) %}", "an array must be the whole value"},
		{"{% array(array(1)) %}", "an array cannot hold an array"},
		{"{% array(1) = 1 %}", "an array cannot be compared"},
		{"{% input.is_hd < 1 %}", "true and false have no order"},
		{"{% 'a' < 1 %}", `the text "a" and 1 have no order`},
		{"{% if('maybe', 1, 2) %}", `the text "maybe" is neither true nor false`},
		{"{% array(1, 1/0) %}{% 1 %}", "division by zero"},
		{"{% min(1, 'a', 2) %}", `the text "a" is no number`},
	}
	for _, tt := range tests {
		got, err := Eval(tt.in, vars)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Eval(%q) = %v, %v, want %q", tt.in, got, err, tt.want)
		}
		if err := Check(tt.in); err != nil {
			t.Errorf("Check(%q) = %v: its syntax is right", tt.in, err)
		}
	}
	if _, err := Eval("{{ a }}", nil); err == nil || !strings.Contains(err.Error(), "known are none") {
		t.Error(err)
	}
	if _, err := Eval(strings.Repeat("{{a}}", 500), Vars{"a": strings.Repeat("x", 1000)}); err == nil || !strings.Contains(err.Error(), "longer than 65536") {
		t.Error(err)
	}
	if _, err := Eval("{{a}}", Vars{"a": struct{}{}}); err == nil {
		t.Error("a struct was evaluated")
	}
	for _, in := range []string{"array(1)", "input.nothing > 1", "'maybe'"} {
		if ok, err := Condition(in, vars); ok || err == nil {
			t.Errorf("Condition(%q) = %v, %v", in, ok, err)
		}
	}
}

func TestHasExpr(t *testing.T) {
	for in, want := range map[string]bool{"": false, "thumb_%02d.jpg": false, "a {{ b }}": true, "{% 1 %}": true, "{ % }": false} {
		if HasExpr(in) != want {
			t.Errorf("HasExpr(%q) = %v", in, !want)
		}
	}
}

func ExampleEval() {
	v := Vars{"input.width": 1920, "input.duration": 30.0}
	size, _ := Eval("{% min(input.width, 1280) / 2 %}x", v)
	times, _ := Eval("{% array(1, input.duration / 3) %}", v)
	fmt.Println(size, times)
	_, err := Eval("{{ input.size }}", v)
	fmt.Println(err)
	// Output:
	// 640x [1 10]
	// expression "{{ input.size }}": unknown variable "input.size": known are input.duration, input.width
}

func FuzzEval(f *testing.F) {
	for _, s := range []string{"{% input.width / 2 %}x", "{% array(1, input.duration / 3) %}", "{{ input.width }} >= 1280 AND NOT {{ input.is_hd }}",
		"{% if(input.width = 0, 'a', \"b\\\"\") %}", "{% -(1 + .5) * max(1, 2, int('3')) <> 4 %}", "{{ input.metadata.streams[0].width }}", "{% {% 1 %} %}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := Eval(s, vars)
		if serr := Check(s); serr != nil && err == nil {
			t.Errorf("Eval(%q) works, Check says %v", s, serr)
		}
		ok, err := Condition(s, vars)
		if err != nil && ok {
			t.Errorf("Condition(%q) is true with %v", s, err)
		}
		if serr := CheckCondition(s); serr != nil && err == nil {
			t.Errorf("Condition(%q) works, CheckCondition says %v", s, serr)
		}
	})
}
