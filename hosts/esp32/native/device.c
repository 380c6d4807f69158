// Calls into ESP-IDF for device.ts. Each takes nothing, and gives a number or nothing.

#include "xsmc.h"
#include "xsHost.h"

#include "esp_heap_caps.h"
#include "esp_mac.h"
#include "esp_system.h"
#include "esp_wifi.h"

void midge_restart(xsMachine *the)
{
	esp_restart();
}

void midge_reset_reason(xsMachine *the)
{
	xsmcSetInteger(xsResult, (int)esp_reset_reason());
}

void midge_free_heap(xsMachine *the)
{
	xsmcSetInteger(xsResult, (int)heap_caps_get_free_size(MALLOC_CAP_8BIT));
}

void midge_largest_block(xsMachine *the)
{
	xsmcSetInteger(xsResult, (int)heap_caps_get_largest_free_block(MALLOC_CAP_8BIT));
}

void midge_least_heap(xsMachine *the)
{
	xsmcSetInteger(xsResult, (int)heap_caps_get_minimum_free_size(MALLOC_CAP_8BIT));
}

void midge_stay_awake(xsMachine *the)
{
	esp_wifi_set_ps(WIFI_PS_NONE);
}

void midge_serial(xsMachine *the)
{
	uint8_t mac[6] = {0};

	esp_read_mac(mac, ESP_MAC_WIFI_STA);
	xsmcSetInteger(xsResult, (mac[4] << 8) | mac[5]);
}
