package stream

import "strings"

// shortCodes turns the three letters of ISO 639-2, which media files carry,
// into the two of ISO 639-1 where there are any, as BCP 47 wants.
var shortCodes = map[string]string{
	"ara": "ar", "bul": "bg", "cat": "ca", "ces": "cs", "cze": "cs", "chi": "zh", "zho": "zh",
	"dan": "da", "deu": "de", "ger": "de", "dut": "nl", "nld": "nl", "ell": "el", "gre": "el",
	"eng": "en", "est": "et", "eus": "eu", "baq": "eu", "fas": "fa", "per": "fa", "fin": "fi",
	"fra": "fr", "fre": "fr", "gle": "ga", "glg": "gl", "heb": "he", "hin": "hi", "hrv": "hr",
	"hun": "hu", "ice": "is", "isl": "is", "ind": "id", "ita": "it", "jpn": "ja", "kor": "ko",
	"lav": "lv", "lit": "lt", "may": "ms", "msa": "ms", "nor": "no", "nob": "nb", "nno": "nn",
	"pol": "pl", "por": "pt", "ron": "ro", "rum": "ro", "rus": "ru", "slk": "sk", "slo": "sk",
	"slv": "sl", "spa": "es", "srp": "sr", "swe": "sv", "tam": "ta", "tel": "te", "tha": "th",
	"tur": "tr", "ukr": "uk", "urd": "ur", "vie": "vi",
}

// shortLanguage is the language tag of BCP 47 for what a file says.
func shortLanguage(s string) string {
	if short, ok := shortCodes[strings.ToLower(s)]; ok {
		return short
	}
	return s
}

// languageNames are the names that viewers choose from, each as the speakers of
// the language write it.
var languageNames = map[string]string{
	"ar": "العربية", "bg": "Български", "ca": "Català", "cs": "Čeština", "da": "Dansk", "de": "Deutsch", "el": "Ελληνικά",
	"en": "English", "es": "Español", "et": "Eesti", "eu": "Euskara", "fa": "فارسی", "fi": "Suomi", "fr": "Français",
	"ga": "Gaeilge", "gl": "Galego", "he": "עברית", "hi": "हिन्दी", "hr": "Hrvatski", "hu": "Magyar", "id": "Bahasa Indonesia",
	"is": "Íslenska", "it": "Italiano", "ja": "日本語", "ko": "한국어", "lt": "Lietuvių", "lv": "Latviešu", "ms": "Bahasa Melayu",
	"nb": "Norsk bokmål", "nl": "Nederlands", "nn": "Norsk nynorsk", "no": "Norsk", "pl": "Polski", "pt": "Português",
	"ro": "Română", "ru": "Русский", "sk": "Slovenčina", "sl": "Slovenščina", "sr": "Српски", "sv": "Svenska", "ta": "தமிழ்",
	"te": "తెలుగు", "th": "ไทย", "tr": "Türkçe", "uk": "Українська", "ur": "اردو", "vi": "Tiếng Việt", "zh": "中文",
}

// languageName is the name of a language for viewers; "" when the language is
// not known.
func languageName(s string) string {
	if s == "" || s == "und" {
		return ""
	}
	if name, ok := languageNames[shortLanguage(s)]; ok {
		return name
	}
	if base, region, ok := strings.Cut(s, "-"); ok {
		if name, known := languageNames[shortLanguage(base)]; known {
			return name + " (" + region + ")"
		}
	}
	return s
}
