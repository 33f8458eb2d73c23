package config

// The proofs that people's browsers, or people, are asked for where a limit would refuse them.
const (
	CaptchaPow       = "pow"
	CaptchaTurnstile = "turnstile"
	CaptchaHCaptcha  = "hcaptcha"
)

// Captcha is what is asked for where a limit would refuse a form of the hosted pages: our own proof of work, or a captcha.
type Captcha struct {
	Provider  string `yaml:"provider"`
	SiteKey   string `yaml:"site_key"`
	SecretKey string `yaml:"secret_key" secret:"true"`
}

func (c *Config) checkCaptcha(r *report) {
	captcha := c.Captcha
	r.oneOf("captcha.provider", captcha.Provider, CaptchaPow, CaptchaTurnstile, CaptchaHCaptcha)
	keys := map[string]string{"captcha.site_key": captcha.SiteKey, "captcha.secret_key": captcha.SecretKey}
	for key, value := range keys {
		switch {
		case captcha.Provider == CaptchaPow && value != "":
			r.add(key, "our own proof of work needs no account; remove it, or write %s or %s as captcha.provider", CaptchaTurnstile, CaptchaHCaptcha)
		case captcha.Provider != CaptchaPow && value == "":
			r.add(key, "it is missing; write that of your account at %s", captcha.Provider)
		}
	}
}
