package captions

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode/utf32"
)

// dialogues are texts as captions have them.
var dialogues = map[string][]string{
	"de":    {"Ich hätte gern ein Stück Käse, bitte.", "Natürlich. Möchten Sie auch größere Brötchen?", "Nein, danke. Wie viel kostet das?", "Fünf Euro – aber für Sie „umsonst“."},
	"fr":    {"Où est-ce que tu étais passé ?", "J’étais à l’hôtel, près de la forêt.", "Ça va mieux ? Tu as l’air épuisé.", "Non, mais ça ira. C’était très gênant."},
	"pl":    {"Gdzie jest mój żółty samochód?", "Stoi koło domu, tak jak zawsze.", "Dziękuję, właśnie go szukałem.", "Nie ma za co. Wróć wcześnie, będzie ciężka noc."},
	"cs":    {"Příliš žluťoučký kůň úpěl ďábelské ódy.", "Kde jsi byl? Čekal jsem na tebe celý večer.", "Omlouvám se, ujel mi poslední vlak.", "To nevadí, pojď dovnitř, už je večeře."},
	"ru":    {"Где ты был вчера вечером?", "Я был дома и смотрел телевизор.", "Ты уверен, что никого не видел?", "Конечно. Никого там не было."},
	"el":    {"Πού ήσουν χθες το βράδυ;", "Ήμουν στο σπίτι και διάβαζα.", "Δεν σε πιστεύω καθόλου.", "Πρέπει να μου πεις την αλήθεια."},
	"he":    {"איפה היית אתמול בערב?", "הייתי בבית וראיתי טלוויזיה.", "אתה בטוח שלא ראית אף אחד?", "כן, אני בטוח לגמרי."},
	"ar":    {"أين كنت مساء أمس؟", "كنت في البيت أشاهد التلفاز.", "هل أنت متأكد أنك لم تر أحدا؟", "نعم، أنا متأكد تماما من ذلك."},
	"tr":    {"Dün akşam neredeydin?", "Evdeydim, televizyon izliyordum.", "Kimseyi görmediğinden emin misin?", "Evet, çok eminim. Hiç kimse yoktu, inanın şimdi."},
	"ja":    {"昨日の夜はどこにいましたか？", "家でテレビを見ていました。", "本当に誰も見なかったんですか？", "はい、間違いありません。"},
	"ko":    {"어젯밤에 어디 있었어요?", "집에서 텔레비전을 보고 있었어요.", "정말 아무도 못 봤어요?", "네, 확실합니다. 아무도 없었어요."},
	"zh":    {"你昨天晚上在哪里？", "我在家里看电视。", "你确定没有看见任何人吗？", "当然，那里一个人也没有。"},
	"zh-TW": {"你昨天晚上在哪裡？", "我在家裡看電視。", "你確定沒有看見任何人嗎？", "當然，那裡一個人也沒有。"},
	"lt":    {"Kur tu buvai vakar vakare?", "Buvau namuose, žiūrėjau televizorių.", "Ar tikrai nieko nematei?", "Taip, esu visiškai tikras, ačiū."},
	"vi":    {"Anh đã ở đâu tối hôm qua?", "Tôi ở nhà.", "Anh có chắc không?", "Vâng."},
	"th":    {"เมื่อคืนคุณอยู่ที่ไหน", "ฉันอยู่บ้านดูโทรทัศน์", "แน่ใจนะ", "แน่นอน"},
}

func srt(lines []string) string {
	var b strings.Builder
	for i, l := range lines {
		fmt.Fprintf(&b, "%d\r\n00:00:%02d,000 --> 00:00:%02d,500\r\n%s\r\n\r\n", i+1, i+1, i+1, l)
	}
	return b.String()
}

// TestCharsets reads dialogues in the charsets in which such files come: without a
// word about it, with the language, and with the charset.
func TestCharsets(t *testing.T) {
	for _, c := range []struct{ language, charset, known string }{
		// known: what has to be known to read it; "": nothing.
		{"de", "windows-1252", ""}, {"de", "iso-8859-15", "charset"}, {"fr", "windows-1252", ""}, {"fr", "macintosh", "charset"},
		{"pl", "windows-1250", ""}, {"cs", "windows-1250", ""}, {"pl", "iso-8859-2", "charset"},
		{"ru", "windows-1251", ""}, {"ru", "koi8-r", ""}, {"ru", "iso-8859-5", ""}, {"ru", "ibm866", "charset"},
		{"el", "windows-1253", ""}, {"he", "windows-1255", ""}, {"ar", "windows-1256", ""}, {"tr", "windows-1254", ""},
		{"ja", "shift_jis", ""}, {"ja", "euc-jp", ""}, {"ja", "iso-2022-jp", ""}, {"ko", "euc-kr", ""},
		{"zh", "gb18030", ""}, {"zh-TW", "big5", ""}, {"lt", "windows-1257", "language"}, {"th", "windows-874", "language"},
		{"ru", "utf-8", ""}, {"ru", "utf-16le", ""}, {"ja", "utf-16be", ""},
	} {
		lines := dialogues[c.language]
		in := srt(lines)
		if c.charset == "iso-8859-15" || c.charset == "iso-8859-2" {
			in = strings.NewReplacer("–", "-", "„", `"`, "“", `"`).Replace(in)
		}
		data, err := lookup(c.charset).NewEncoder().Bytes([]byte(in))
		if err != nil {
			t.Fatalf("%s in %s: %v", c.language, c.charset, err)
		}
		want, _ := Parse([]byte(in), Hint{})
		for _, h := range []Hint{{}, {Language: c.language}, {Charset: c.charset}} {
			if h.Charset == "" && (c.known == "charset" || c.known == "language" && h.Language == "") {
				continue
			}
			got, err := Parse(data, h)
			if err != nil || show(got) != show(want) {
				t.Errorf("%s in %s with %+v: %v\n%s", c.language, c.charset, h, err, show(got))
			}
		}
	}
}

// TestMarks reads the byte order marks.
func TestMarks(t *testing.T) {
	in := srt(dialogues["ja"])
	want, _ := Parse([]byte(in), Hint{})
	for name, data := range map[string][]byte{
		"UTF-8":     append([]byte{0xEF, 0xBB, 0xBF}, in...),
		"UTF-16 LE": append([]byte{0xFF, 0xFE}, encoded(t, "utf-16le", in)...),
		"UTF-16 BE": append([]byte{0xFE, 0xFF}, encoded(t, "utf-16be", in)...),
		"UTF-32": func() []byte {
			b, _ := utf32.UTF32(utf32.LittleEndian, utf32.UseBOM).NewEncoder().Bytes([]byte(in))
			return b
		}(),
	} {
		// A charset that the request names is not believed against a mark.
		got, err := Parse(data, Hint{Charset: "windows-1252"})
		if err != nil || show(got) != show(want) {
			t.Errorf("%s: %v\n%s", name, err, show(got))
		}
	}
	if cues, err := Parse([]byte(srt([]string{"good é", "bad \xff"})+strings.Repeat("\r\n1\r\n00:00:09,000 --> 00:00:09,500\r\nééé\r\n", 50)), Hint{}); err != nil || cues[0].Text != "good é" {
		t.Errorf("UTF-8 with one broken byte: %v %v", cues[:min(1, len(cues))], err)
	}
	ttml := `<?xml version="1.0" encoding="windows-1251"?><tt xmlns="http://www.w3.org/ns/ttml"><body><p begin="1s" end="2s">Да</p></body></tt>`
	if cues, err := Parse(encoded(t, "windows-1251", ttml), Hint{}); err != nil || cues[0].Text != "Да" {
		t.Errorf("the charset that XML declares: %v %v", cues, err)
	}
}

func encoded(t *testing.T, charset, text string) []byte {
	t.Helper()
	b, err := lookup(charset).NewEncoder().Bytes([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
